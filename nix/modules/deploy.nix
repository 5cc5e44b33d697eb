# What spinet needs to know of a deployed system, written down in the system itself, and what its guard needs there.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.spinet.deploy;

  hostFile = {
    inherit (pkgs.stdenv.hostPlatform) system;
    inherit (config.networking) hostName;
    inherit (cfg) user deadline;
    secrets = lib.mapAttrsToList (_: secret: {
      inherit (secret) name path;
      file = "${secret.file}";
    }) config.age.secrets;
    healthChecks = lib.mapAttrsToList (name: command: { inherit name command; }) cfg.healthChecks;
    wifi = config.spinet.wifi.networks != { };
    joinsWifi = (import ./radio.nix { inherit config lib options; }).isUsed;
  };
in
{
  options.spinet.deploy = {
    user = lib.mkOption {
      type = lib.types.str;
      default = "root";
      example = "deploy";
      description = ''
        The user `spinet deploy` connects as to confirm this configuration.
        Any user but root needs `sudo`, without a password or with `--ask-sudo-password`.
      '';
    };

    deadline = lib.mkOption {
      type = lib.types.ints.between 10 3600;
      default = 120;
      example = 300;
      description = ''
        Seconds from the start of the switch until the host undoes this configuration
        by itself, unless it was confirmed over a fresh connection before.
      '';
    };

    healthChecks = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = lib.literalExpression ''{ web = "curl --fail --silent http://localhost/"; }'';
      description = ''
        Shell commands run on the host before this configuration is confirmed, beside the
        checks every host gets. One that fails undoes the deploy.
      '';
    };

    # For modules to read. The helper takes them from the fleet's row, which costs no evaluation.
    address = lib.mkOption {
      type = lib.types.str;
      default = "${config.networking.hostName}.local";
      defaultText = lib.literalExpression ''"''${config.networking.hostName}.local"'';
      example = "192.168.1.20";
      description = ''
        Where the host answers. Set in the host's row of `lib.fleet`.
      '';
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 22;
      example = 2222;
      description = ''
        The port `spinet` connects to. Set in the host's row of `lib.fleet`.
      '';
    };

    tags = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = lib.literalExpression ''[ "kitchen" ]'';
      description = ''
        The tags of the host, as in `spinet deploy @kitchen`. Set in the host's row of `lib.fleet`;
        a module that several hosts share can ask for them.
      '';
    };
  };

  config = {
    environment.etc."spinet/host.json".text = builtins.toJSON hostFile;

    # Copies to this host are not signed. The user has sudo anyway.
    nix.settings.trusted-users = lib.mkIf (cfg.user != "root") [
      "root"
      cfg.user
    ];

    # After `spinet deploy --reboot` the guard waits here for the confirmation, and takes the host
    # back to its former system when there is none. What a power cut interrupted it ends by itself.
    systemd.services.spinet-resume = {
      description = "Guard of a deploy that is not over";
      wantedBy = [ "multi-user.target" ];
      unitConfig.ConditionPathExists = [
        "/var/lib/spinet/guard/pending"
        # that of this boot has its guard
        "!/run/spinet/state"
      ];
      # a deploy must not end the guard of another
      restartIfChanged = false;
      stopIfChanged = false;
      serviceConfig.Type = "exec";
      script = ''
        exec ${pkgs.runtimeShell} "$(cat /var/lib/spinet/guard/pending)" resume
      '';
    };
  };
}
