# Configurations that must be refused, or warned of, in words that name the remedy; and ones that must not.
# Evaluated by tests/standin/check on the stand-in, and by hand on the real module tree:
#
#     nix eval .#nixosConfigurations.bach --apply "$(cat tests/modules.nix)"
#
# gives what is not as it should be: [ ].
bach:
let
  inherit (bach) lib;
  force = lib.mkForce;
  noKeys.openssh.authorizedKeys.keys = force [ ];
  deployer = groups: {
    spinet.deploy.user = force "alice";
    users.users.alice.extraGroups = force groups;
  };

  # What fails or warns holds these words.
  refused = {
    "sshd off" = {
      module.services.openssh.enable = force false;
      says = "services.openssh.enable = true;";
    };
    "sshd on another port" = {
      module.services.openssh.ports = force [ 2222 ];
      says = "on port 22, and it listens on 2222";
    };
    "nobody may log in" = {
      module.users.users.root = noKeys;
      says = "users.users.root.openssh.authorizedKeys.keys";
    };
    "root may not log in" = {
      module.services.openssh.settings.PermitRootLogin = force "no";
      says = "nobody in as root";
    };
    "root may run one command only" = {
      module.services.openssh.settings.PermitRootLogin = force "forced-commands-only";
      says = "nobody in as root";
    };
    "others may log in" = {
      module.services.openssh.settings.AllowUsers = [ "alice" ];
      says = "services.openssh.settings.AllowUsers";
    };
    "a user without a key" = {
      module.imports = [
        (deployer [ "wheel" ])
        { users.users.alice = noKeys; }
      ];
      says = "log in as alice";
    };
    "a user without sudo" = {
      module = deployer [ "video" ];
      says = "users.users.alice.extraGroups";
    };
    "no boot loader" = {
      module.boot.loader.generic-extlinux-compatible.enable = force false;
      says = "spinet.nixosModules.raspberry-pi";
    };
    "no root file system" = {
      module.fileSystems = force { };
      says = ''fileSystems."/" ='';
    };
    "a secret without a file" = {
      module.age.secrets.absent.file = bach.config.age.secrets.wifi-home.file + "/../absent.age";
      says = "absent.age";
    };
    "the row set in a module" = {
      module.spinet.deploy.tags = [ "kitchen" ];
      says = "hosts/default.nix";
    };
    "a Pi of another architecture" = {
      module.nixpkgs.hostPlatform = force "x86_64-linux";
      says = ''system = "aarch64-linux";'';
    };
    "a Pi without firmware" = {
      module.hardware.enableRedistributableFirmware = false;
      says = "hardware.enableRedistributableFirmware = true;";
    };
    "a Zero 2 W without wifi" = {
      module = {
        spinet.raspberryPi.board = force "zero2w";
        spinet.wifi.networks = force { };
      };
      says = "spinet.wifi.networks.home.secret";
    };
    "no swap" = {
      module.zramSwap.enable = false;
      says = "zramSwap.enable = true;";
    };
    "a firewall before sshd" = {
      module.services.openssh.openFirewall = false;
      says = "networking.firewall.allowedTCPPorts";
    };
  };

  # Nothing fails, nothing warns.
  accepted = {
    "the example" = { };
    "keys by certificate" = {
      users.users.root = noKeys;
      services.openssh.settings.TrustedUserCAKeys = "/etc/ssh/ca.pub";
    };
    "users by pattern".services.openssh.settings.AllowUsers = [ "root@192.168.*" ];
    "a user with sudo" = deployer [ "wheel" ];
    "a user with a rule".imports = [
      (deployer [ ])
      { security.sudo.extraRules = [ { users = [ "alice" ]; } ]; }
    ];
    "a firewall with a hole" = {
      services.openssh.openFirewall = false;
      networking.firewall.allowedTCPPorts = [ 22 ];
    };
    "a container" = {
      boot.isContainer = true;
      boot.loader.generic-extlinux-compatible.enable = force false;
      fileSystems = force { };
    };
    "no builds on the Pi" = {
      zramSwap.enable = false;
      nix.settings.max-jobs = 0;
    };
    "a Zero 2 W".spinet.raspberryPi.board = force "zero2w";
    "a Pi 4".spinet.raspberryPi.board = force "4";
    "any Pi".spinet.raspberryPi.board = force null;
    "wpa_supplicant".spinet.wifi.backend = "wpa_supplicant";
    "wpa_supplicant of one radio" = {
      spinet.wifi.backend = "wpa_supplicant";
      networking.wireless.interfaces = [ "wlan0" ];
    };
    "wired" = {
      spinet.wifi.networks = force { };
    };
  };

  messages =
    module:
    let
      inherit (bach.extendModules { modules = [ module ]; }) config;
    in
    map (a: a.message) (lib.filter (a: !a.assertion) config.assertions) ++ config.warnings;
  one = lib.concatStringsSep " | ";
in
lib.mapAttrsToList (
  name: _: "${name}: not refused, or not in these words: ${one (messages refused.${name}.module)}"
) (lib.filterAttrs (_: case: !lib.any (lib.hasInfix case.says) (messages case.module)) refused)
++ lib.mapAttrsToList (name: module: "${name}: ${one (messages module)}") (
  lib.filterAttrs (_: module: messages module != [ ]) accepted
)
