# Wifi networks from agenix secrets. A profile that works is never replaced by one that did not decrypt: the secret is
# copied before the daemon starts, not linked into its folder.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  cfg = config.spinet.wifi;
  secretPaths = map (name: config.age.secrets.${name}.path) cfg.secretNames;
  secretFiles = lib.mapAttrsToList (_: network: "${network.secret}") cfg.networks;

  backends = {
    iwd = {
      script = ./install-wifi-profiles.sh;
      target = "/var/lib/iwd";
    };
    wpa_supplicant = {
      script = ./install-wpa-networks.sh;
      target = "/var/lib/spinet/wifi/wpa_supplicant.conf";
    };
  };
  backend = backends.${cfg.backend};
  isSupplicant = cfg.backend == "wpa_supplicant";
  # It runs as a user of its own, in a file system of its own.
  hasSupplicant = options ? networking.wireless.extraConfigFiles;

  inherit (import ./radio.nix { inherit config lib options; }) daemons;
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
              The `.age` file that holds the network's profile in iwd's format, for both backends. Its first line is
              a comment which names the profile's file: `# iwd: Home Network.psk`. `spinet bootstrap` makes it.
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

    backend = lib.mkOption {
      type = lib.types.enum (lib.attrNames backends);
      default = "iwd";
      example = "wpa_supplicant";
      description = ''
        The daemon that joins the networks. wpa_supplicant takes networks with a passphrase, a key or none;
        enterprise ones (802.1x) need iwd. It is offered from the NixOS release on that has
        `networking.wireless.extraConfigFiles`.
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

    assertions = [
      {
        assertion = isSupplicant -> hasSupplicant;
        message = ''
          wpa_supplicant of NixOS ${config.system.nixos.release} takes no further files of networks. Update nixpkgs, or keep

              spinet.wifi.backend = "iwd";
        '';
      }
    ];

    networking.wireless =
      if isSupplicant then
        { enable = true; } // lib.optionalAttrs hasSupplicant { extraConfigFiles = [ backend.target ]; }
      else
        { iwd.enable = true; };

    systemd.services = {
      spinet-wifi = {
        description = "Wifi profiles from secrets";
        wantedBy = [ "multi-user.target" ] ++ daemons;
        before = daemons;
        # Absent where agenix decrypts in the activation script.
        after = [ "agenix-install-secrets.service" ];
        restartTriggers = secretFiles;
        # Restarted together with the daemon, and so before it.
        stopIfChanged = false;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          UMask = "0077";
          ExecStart = lib.concatStringsSep " " (
            [
              "${pkgs.runtimeShell}"
              "${backend.script}"
              backend.target
            ]
            ++ secretPaths
          );
        }
        // lib.optionalAttrs (!isSupplicant) {
          StateDirectory = "iwd";
          StateDirectoryMode = "0700";
        };
      };
    }
    // lib.optionalAttrs isSupplicant (
      lib.genAttrs (map (lib.removeSuffix ".service") daemons) (_: {
        # It reads its files at its start only; iwd watches its folder.
        restartTriggers = secretFiles;
        serviceConfig.BindReadOnlyPaths = [ (dirOf backend.target) ];
      })
    );
  };
}
