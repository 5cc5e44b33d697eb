# age.secrets: decrypted while the system is activated, each generation in a folder of its own below /run/agenix.d.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.age;
  q = v: lib.escapeShellArg (toString v);
  secret =
    { name, config, ... }:
    {
      options = {
        name = option types.str name;
        file = mkOption { type = types.path; };
        path = option types.str "${cfg.secretsDir}/${config.name}";
        mode = option types.str "0400";
        owner = option types.str "0";
        group = option types.str "0";
        symlink = option types.bool true;
      };
    };
  install =
    s:
    lib.concatMapStringsSep " " q [
      "install_secret"
      cfg.ageBin
      "${s.file}"
      s.name
      s.path
      s.mode
      (if s.symlink then "link" else "copy")
    ]
    + "\n";
  each = f: lib.concatMapStrings f (builtins.attrValues cfg.secrets);
in
{
  options.age = {
    ageBin = option types.str "${pkgs.age}/bin/age";
    secretsDir = option types.str "/run/agenix";
    secretsMountPoint = option types.str "/run/agenix.d";
    secrets = option (types.attrsOf (types.submodule secret)) { };
    identityPaths = option (types.listOf types.str) (
      map (k: k.path) (
        builtins.filter (k: k.type == "rsa" || k.type == "ed25519") config.services.openssh.hostKeys
      )
    );
  };

  config = lib.mkIf (cfg.secrets != { }) {
    assertions = [
      {
        assertion = cfg.identityPaths != [ ];
        message = "age.identityPaths must be set.";
      }
    ];
    system.activationScripts = {
      agenixNewGeneration = {
        deps = [ "specialfs" ];
        text = ''
          . ${./install-secrets.sh}
          new_generation ${q cfg.secretsMountPoint} ${q cfg.secretsDir}
        '';
      };
      agenixInstall = {
        deps = [ "agenixNewGeneration" ];
        text = ''
          identities ${lib.escapeShellArgs cfg.identityPaths}
          ${each install}
          publish_generation
        '';
      };
      # Users may need a decrypted password; owners need the users: hence two steps.
      users.deps = [ "agenixInstall" ];
      agenixChown = {
        deps = [
          "users"
          "groups"
        ];
        text = each (s: "own_secret ${q s.name} ${q s.path} ${q s.owner} ${q s.group}\n");
      };
      agenix.deps = [ "agenixChown" ];
    };
  };
}
