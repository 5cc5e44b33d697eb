# What a host must have so that the deploy of this configuration is not its last one. Each message names the remedy.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (config.spinet.deploy) user port;
  inherit (config.services) openssh;
  inherit (config.networking) firewall;
  account =
    config.users.users.${user} or {
      openssh.authorizedKeys = {
        keys = [ ];
        keyFiles = [ ];
      };
    };
  inherit (account.openssh.authorizedKeys) keys keyFiles;

  # Ways to be let in that name no key of this user.
  otherWays =
    (openssh.authorizedKeysCommand or "none") != "none" || openssh.settings ? TrustedUserCAKeys;
  ports = lib.concatMapStringsSep ", " toString openssh.ports;
  permitRoot = openssh.settings.PermitRootLogin or "prohibit-password";
  allowed = openssh.settings.AllowUsers or null;
  # A pattern may mean anybody.
  isAllowed =
    allowed == null || lib.any (name: name == user || builtins.match "[^*?@]*" name == null) allowed;
  isShutOut = keys ++ keyFiles == [ ] && !otherWays;
  # Then the configuration does not tell.
  homeCounts = openssh.authorizedKeysInHomedir or false;
  noKey = ''
    Nobody could log in as ${user} to deploy the next configuration. Add your public key:

        users.users.${user}.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA.. you@machine" ];
  '';

  groups = account.extraGroups or [ ] ++ [ (account.group or "") ];
  mayUseSudo =
    lib.elem "wheel" groups
    || lib.hasInfix user (config.security.sudo.extraConfig or "")
    || lib.any (
      rule: lib.elem user (rule.users or [ ]) || lib.intersectLists groups (rule.groups or [ ]) != [ ]
    ) (config.security.sudo.extraRules or [ ] ++ config.security.sudo-rs.extraRules or [ ]);

  secretFiles = map (secret: secret.file) (lib.attrValues config.age.secrets);
  missing = map baseNameOf (
    lib.filter (file: builtins.isPath file && !builtins.pathExists file) secretFiles
  );

  radio = import ./radio.nix { inherit config lib options; };

  installBootLoader = "${config.system.build.installBootLoader or "do not know how"}";
in
{
  assertions = [
    {
      assertion = openssh.enable;
      message = ''
        spinet could reach this host only once: sshd is off. Add

            services.openssh.enable = true;
      '';
    }
    {
      assertion = openssh.enable -> lib.elem port openssh.ports;
      message = ''
        spinet would look for sshd on port ${toString port}, and it listens on ${ports}. Set `port` in the
        host's row, or add ${toString port} to services.openssh.ports.
      '';
    }
    {
      assertion = isShutOut -> homeCounts;
      message = noKey;
    }
    {
      assertion =
        user == "root"
        -> !lib.elem permitRoot [
          "no"
          "forced-commands-only"
        ];
      message = ''
        spinet deploys as root, and sshd lets nobody in as root. Either allow root's keys,

            services.openssh.settings.PermitRootLogin = "prohibit-password";

        or deploy as a user with sudo: `user = "deploy";` in the host's row.
      '';
    }
    {
      assertion = isAllowed;
      message = ''
        spinet deploys as ${user}, and sshd lets in others only. Add

            services.openssh.settings.AllowUsers = [ "${user}" ];
      '';
    }
    {
      assertion = user == "root" || mayUseSudo;
      message = ''
        spinet deploys as ${user}, who may not use sudo. Add

            users.users.${user}.extraGroups = [ "wheel" ];
      '';
    }
    {
      assertion = config.boot.isContainer or false || !lib.hasInfix "do not know how" installBootLoader;
      message = ''
        Nothing would make this configuration boot: no boot loader is enabled. A Raspberry Pi 3, 4 or Zero 2 W imports

            spinet.nixosModules.raspberry-pi

        which enables boot.loader.generic-extlinux-compatible and names the root file system.
      '';
    }
    {
      assertion = config.boot.isContainer or false || config.fileSystems ? "/";
      message = ''
        This configuration names no root file system. On a card that spinet wrote it is

            fileSystems."/" = { device = "/dev/disk/by-label/NIXOS_SD"; fsType = "ext4"; };

        which spinet.nixosModules.raspberry-pi does for you.
      '';
    }
    {
      assertion = options.system.stateVersion.highestPrio < (lib.mkOptionDefault null).priority;
      message = ''
        The release this host was first installed with is not said, so an update could take its data for newer than it is. Add

            system.stateVersion = "${config.system.nixos.release}";

        and never change it.
      '';
    }
    {
      assertion = missing == [ ];
      message = ''
        The flake does not see these secrets: ${lib.concatStringsSep ", " missing}. Where such a file exists, git does not
        know it yet: `git add --intent-to-add FILE`. Where it does not, `spinet secrets edit FILE` makes it, and
        `spinet bootstrap` the one of a wifi network.
      '';
    }
  ];

  warnings =
    lib.optional (isShutOut && homeCounts) (
      noKey
      + ''
        Keys in the home folder of ${user} are not looked at: a new card has none.
      ''
    )
    ++
      lib.optional
        (firewall.enable && !openssh.openFirewall && !lib.elem port (firewall.allowedTCPPorts or [ ]))
        ''
          The firewall may keep spinet away from sshd: services.openssh.openFirewall is off and port ${toString port} is not in
          networking.firewall.allowedTCPPorts. Ports that are open on one interface only are not looked at.
        ''
    ++ lib.optional (radio.isUsed && !radio.hasFirmware) ''
      This host joins wifi networks and has no firmware: most radios do not work without it. Add

          hardware.enableRedistributableFirmware = true;
    '';
}
