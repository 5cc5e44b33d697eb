# A fleet of one host on the stand-in inputs, which lie beside it.
{
  outputs =
    { self }:
    let
      nixpkgs = (import ./standin/nixpkgs/flake.nix).outputs { self = nixpkgs; };
      agenix = (import ./standin/agenix/flake.nix).outputs {
        self = agenix;
        inherit nixpkgs;
      };
      fleet = import ./spinet/fleet.nix { spinet.nixosModules.default = ./spinet/modules/default.nix; } {
        inherit self nixpkgs agenix;
        hosts = import ./hosts;
        secrets = ./secrets.nix;
      };
    in
    {
      inherit (fleet) spinet;
    };
}
