# system.activationScripts: named pieces of shell, put in order by their deps, run by $toplevel/activate.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  scripts = config.system.activationScripts;
  script = name: scripts.${name} or (throw "The activation script ${name} does not exist.");
  # Depth first over deps, each once.
  visit =
    acc: name:
    if builtins.elem name acc then acc else builtins.foldl' visit acc (script name).deps ++ [ name ];
  ordered = lib.unique (builtins.foldl' visit [ ] (builtins.attrNames scripts));
in
{
  options.system.activationScripts = mkOption {
    default = { };
    type = types.attrsOf (
      types.coercedTo types.str (text: { inherit text; }) (
        types.submodule {
          options.text = mkOption {
            type = types.lines;
            default = "";
          };
          options.deps = mkOption {
            type = types.listOf types.str;
            default = [ ];
          };
          options.supportsDryActivation = mkOption {
            type = types.bool;
            default = false;
          };
        }
      )
    );
  };
  options.system.build = mkOption {
    type = types.lazyAttrsOf types.raw;
    default = { };
  };

  config.system.activationScripts = {
    specialfs = "mkdir -p /run/keys";
    groups.deps = [ "users" ];
    var = "mkdir -m 0755 -p /var/lib /var/empty /nix/var/nix/profiles /nix/var/nix/gcroots";
    hostname = lib.optionalString (config.networking.hostName != "") ''
      hostname ${config.networking.hostName}
    '';
  };

  config.system.build.activate = pkgs.writeScript "activate" ''
    #!/bin/bash
    # Makes the running system this configuration; everything but the services.
    systemConfig=@toplevel@
    export PATH=${
      lib.makeBinPath [
        pkgs.coreutils
        pkgs.gnugrep
        pkgs.gnused
        pkgs.findutils
        pkgs.getent
        pkgs.hostname
        pkgs.util-linux
        pkgs.shadow
        pkgs.age
      ]
    }
    umask 0022
    _status=0
    trap '_status=1 _localstatus=$?' ERR
    ${lib.concatMapStrings (name: ''
      # ${name}
      _localstatus=0
      ${scripts.${name}.text}
      if [ "$_localstatus" != 0 ]; then
        printf "Activation script snippet '%s' failed (%s)\n" ${name} "$_localstatus"
      fi
    '') ordered}
    ln -sfn "$systemConfig" /run/current-system
    mkdir -p /nix/var/nix/gcroots
    ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
    exit $_status
  '';
}
