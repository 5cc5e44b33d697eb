# Wifi profiles from agenix secrets, for iwd. A profile that works is never replaced by one that
# did not decrypt: the secret is copied before iwd starts, not linked into iwd's folder.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.spinet.wifi;
  secretPaths = map (name: config.age.secrets.${name}.path) cfg.secretNames;
in
{
  imports = [ ./wifi-country.nix ];

  options.spinet.wifi = {
    networks = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule {
          options.secret = lib.mkOption {
            type = lib.types.path;
            example = lib.literalExpression "../../secrets/wifi-home.age";
            description = ''
              The `.age` file that holds the network's iwd profile. Its first line is a comment
              which names the profile's file: `# iwd: Home Network.psk`.
            '';
          };
        }
      );
      default = { };
      example = lib.literalExpression "{ home.secret = ../../secrets/wifi-home.age; }";
      description = ''
        The wifi networks this host joins. The names are free to choose; the agenix secret of
        network `home` is called `wifi-home`.
      '';
    };

    secretNames = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      internal = true;
      readOnly = true;
      default = map (name: "wifi-${name}") (lib.attrNames cfg.networks);
      description = "Names of the agenix secrets that hold a wifi profile.";
    };
  };

  config = lib.mkIf (cfg.networks != { }) {
    age.secrets = lib.mapAttrs' (
      name: network: lib.nameValuePair "wifi-${name}" { file = network.secret; }
    ) cfg.networks;

    networking.wireless.iwd.enable = true;

    systemd.services.spinet-wifi = {
      description = "Wifi profiles from secrets";
      wantedBy = [
        "multi-user.target"
        "iwd.service"
      ];
      before = [ "iwd.service" ];
      # Absent where agenix decrypts in the activation script.
      after = [ "agenix-install-secrets.service" ];
      restartTriggers = lib.mapAttrsToList (_: network: "${network.secret}") cfg.networks;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        StateDirectory = "iwd";
        StateDirectoryMode = "0700";
        UMask = "0077";
        ExecStart = lib.concatStringsSep " " (
          [
            "${pkgs.runtimeShell}"
            "${./install-wifi-profiles.sh}"
            "/var/lib/iwd"
          ]
          ++ secretPaths
        );
      };
    };
  };
}
