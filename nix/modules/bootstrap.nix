# The first system of a card: reachable by key under the name seeded on the card, and nothing more.
# Hostname, host key and wifi profile are written to the card after flashing, never into the store.
{ config, lib, ... }:
let
  inherit (config.users.users.root.openssh.authorizedKeys) keys keyFiles;
in
{
  imports = [
    ./store.nix
    ./wifi-country.nix
  ];

  image.baseName = lib.mkForce "spinet-bootstrap-${lib.removeSuffix "-linux" config.nixpkgs.hostPlatform.system}";

  hardware.enableRedistributableFirmware = true;

  networking = {
    # Empty: the name comes from /etc/hostname on the card.
    hostName = "";
    wireless.iwd.enable = true;
  };

  # A permanent configuration names the host itself. Going back to this system, after a deploy that was
  # undone, takes that name away with it; the card's own comes back from the copy beside its receipt.
  system.activationScripts.hostnameOfCard = {
    deps = [ "etc" ];
    text = ''
      if ! [ -e /etc/hostname ] && [ -s /var/lib/spinet/hostname ]; then
        cp /var/lib/spinet/hostname /etc/hostname
      fi
    '';
  };

  users.mutableUsers = false;

  services = {
    openssh = {
      enable = true;
      # The key seeded on the card; it is made at the first boot if there is none.
      hostKeys = [
        {
          type = "ed25519";
          path = "/etc/ssh/ssh_host_ed25519_key";
        }
      ];
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "prohibit-password";
      };
    };
    avahi = {
      enable = true;
      publish = {
        enable = true;
        addresses = true;
        workstation = true;
        domain = true;
      };
    };
  };

  zramSwap.enable = true;
  documentation.enable = false;
  system.stateVersion = config.system.nixos.release;

  assertions = [
    {
      assertion = keys ++ keyFiles != [ ];
      message = ''
        Nobody could log in to the bootstrap image. Add your public key to
        users.users.root.openssh.authorizedKeys.keys of the host.
      '';
    }
  ];
}
