# Somebody's flake before spinet came: a virtual server, a Raspberry Pi, agenix. What spinet needs is marked.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    agenix = {
      url = "github:ryantm/agenix";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.darwin.follows = "";
      inputs.home-manager.follows = "";
    };
    # spinet: the input
    spinet = {
      url = "github:OWNER/spinet";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.agenix.follows = "agenix";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      agenix,
      spinet, # spinet
    }:
    let
      inherit (nixpkgs) lib;
      common = {
        system.stateVersion = "26.05";
        services.openssh.enable = true;
        users.users.root.openssh.authorizedKeys.keys = [ "@admin@" ];
      };
      disk = {
        fileSystems."/" = {
          device = "/dev/vda1";
          fsType = "ext4";
        };
        boot.loader.grub.device = "/dev/vda";
      };
      # spinet: the call
      fleet = spinet.lib.fleet {
        inherit self nixpkgs agenix;
        secrets = ./secrets/secrets.nix;
        knownHosts = "known_hosts";
        hosts = {
          haydn = {
            system = "x86_64-linux";
            address = "haydn.example.org";
            user = "ops";
            configuration = self.nixosConfigurations.haydn;
          };
          bach = {
            system = "aarch64-linux";
            configuration = self.nixosConfigurations.bach;
          };
          # one more, which spinet evaluates
          liszt = {
            system = "x86_64-linux";
            modules = [
              common
              disk
            ];
          };
        };
      };
    in
    {
      # spinet: what the call gives
      inherit (fleet) apps checks spinet;
      packages = lib.recursiveUpdate fleet.packages {
        x86_64-linux.theirs = nixpkgs.legacyPackages.x86_64-linux.writeText "theirs" "theirs";
      };

      nixosConfigurations = {
        haydn = lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            common
            disk
            agenix.nixosModules.default
            spinet.nixosModules.default # spinet
            {
              networking.hostName = "haydn";
              age.secrets.token.file = ./secrets/token.age;
              users.users.ops = {
                isNormalUser = true;
                extraGroups = [ "wheel" ];
                openssh.authorizedKeys.keys = [ "@admin@" ];
              };
              security.sudo.wheelNeedsPassword = false;
              spinet.deploy.user = "ops"; # spinet
            }
          ];
        };

        bach = lib.nixosSystem {
          modules = [
            common
            agenix.nixosModules.default
            spinet.nixosModules.default # spinet
            spinet.nixosModules.raspberry-pi # spinet
            {
              networking.hostName = "bach";
              nixpkgs.hostPlatform = "aarch64-linux";
            }
          ];
        };

        # one that spinet has nothing to do with
        haydn-bare = lib.nixosSystem {
          system = "x86_64-linux";
          modules = [
            common
            disk
            { networking.hostName = "haydn"; }
          ];
        };

        inherit (fleet.nixosConfigurations) liszt; # spinet
      };
    };
}
