{
  description = "A stand-in for agenix: the options and the activation of its NixOS module, with real age";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Not used, but callers override them.
    darwin.follows = "nixpkgs";
    home-manager.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, ... }:
    {
      nixosModules.default = import ./modules/age.nix;
      nixosModules.age = self.nixosModules.default;
      packages = nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: rec {
        default = agenix;
        # spinet has its own rekey and edit; the development shell only wants a program of this name.
        agenix = nixpkgs.legacyPackages.${system}.writeShellScriptBin "agenix" ''
          echo "agenix is a stand-in here: use spinet secrets." >&2
          exit 1
        '';
      });
    };
}
