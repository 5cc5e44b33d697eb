{
  description = "From a blank SD card to a trusted NixOS Raspberry Pi, and every change after that";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    agenix = {
      url = "github:ryantm/agenix";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.darwin.follows = "";
      inputs.home-manager.follows = "";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      agenix,
    }:
    let
      lib.fleet = import ./nix/fleet.nix { spinet = self; };
      fleet = lib.fleet {
        inherit self nixpkgs agenix;
        hosts = import ./hosts;
        secrets = ./secrets/secrets.nix;
      };
      forAllSystems = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      inherit lib;
      inherit (fleet)
        nixosConfigurations
        apps
        spinet
        ;

      packages = forAllSystems (
        system:
        fleet.packages.${system}
        // {
          options = nixpkgs.legacyPackages.${system}.writeText "options.md" (
            import ./nix/options.nix {
              inherit (nixpkgs) lib;
              inherit (self.nixosConfigurations.bach) options;
              root = self;
            }
          );
        }
      );

      nixosModules = {
        default = ./nix/modules/default.nix;
        bootstrap.imports = [
          ./nix/modules/bootstrap.nix
          ./nix/modules/sd-image.nix
        ];
        raspberry-pi = ./nix/modules/raspberry-pi.nix;
        wifi = ./nix/modules/wifi.nix;
      };

      overlays.default = final: _: { spinet = final.callPackage ./nix/package.nix { }; };

      templates.default = {
        path = ./templates/fleet;
        description = "A flake with one Raspberry Pi, to be made yours by editing two marked lines";
        welcomeText = ''
          Edit the two lines marked EDIT (`grep -rn 'EDIT [12]' .`), then go on with README.md.
        '';
      };

      formatter = forAllSystems (
        system: nixpkgs.legacyPackages.${system}.callPackage ./nix/formatter.nix { }
      );

      devShells = forAllSystems (
        system:
        fleet.devShells.${system}
        // {
          default = import ./nix/shell.nix {
            pkgs = nixpkgs.legacyPackages.${system};
            agenix = agenix.packages.${system}.default;
            inherit (self.packages.${system}) spinet;
          };
        }
      );

      checks = forAllSystems (
        system:
        fleet.checks.${system}
        // import ./nix/checks {
          inherit nixpkgs agenix;
          pkgs = nixpkgs.legacyPackages.${system};
          inherit (self.packages.${system}) spinet options;
          root = self;
        }
      );
    };
}
