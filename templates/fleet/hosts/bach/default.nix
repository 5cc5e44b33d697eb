# bach: a Raspberry Pi 3, 4 or Zero 2 W.
{ spinet, ... }:
let
  keys = import ../../keys.nix;
in
{
  imports = [ spinet.nixosModules.raspberry-pi ];

  # EDIT 2 of 2: where bach stands, such as "Europe/Berlin" or "UTC".
  time.timeZone = throw "hosts/bach/default.nix, line 10: put your time zone there, such as \"Europe/Berlin\".";

  # On the wifi: take the comment mark away here and in secrets/secrets.nix. `bootstrap` makes the secret.
  # spinet.wifi.networks.home.secret = ../../secrets/wifi-home.age;

  users = {
    mutableUsers = false;
    users.root.openssh.authorizedKeys.keys = [ keys.admin ];
  };

  services.openssh = {
    enable = true;
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "prohibit-password";
    };
  };

  # Found as bach.local.
  services.avahi = {
    enable = true;
    publish = {
      enable = true;
      addresses = true;
    };
  };

  system.stateVersion = "26.05";
}
