{
  description = "A stand-in for nixpkgs: the shape of it, with packages that are links to the machine's own tools";

  outputs =
    _:
    let
      lib = import ./lib // {
        nixosSystem = import ./nixos/lib/eval-config.nix;
      };
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
        system: import ./. { inherit system; }
      );
    };
}
