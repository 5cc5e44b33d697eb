# bach: a Raspberry Pi 3 with 1 GB of memory, on the wifi.
{
  config,
  pkgs,
  spinet,
  ...
}:
let
  # Published with its private half: put your own public key here.
  adminKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICvCGww6PAuUQq74q2fNJz0wl+qk9robmcme7TyJ+cFK example-admin";
in
{
  imports = [ spinet.nixosModules.raspberry-pi ];
  spinet.raspberryPi.board = "3";

  time.timeZone = "Europe/Berlin";
  system.stateVersion = "26.05";

  spinet.wifi.networks.home.secret = ../../secrets/wifi-home.age;
  age.secrets.bach-password.file = ../../secrets/bach-password.age;

  users = {
    mutableUsers = false;
    users.root.openssh.authorizedKeys.keys = [ adminKey ];
    users.alice = {
      isNormalUser = true;
      extraGroups = [ "wheel" ];
      hashedPasswordFile = config.age.secrets.bach-password.path;
      openssh.authorizedKeys.keys = [ adminKey ];
    };
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
      workstation = true;
      domain = true;
    };
  };

  environment.systemPackages = [ pkgs.htop ];
}
