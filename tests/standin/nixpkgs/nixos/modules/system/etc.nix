# environment.etc: a tree of links in the store, which activation mirrors into /etc as NixOS does.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  entries = builtins.filter (e: e.enable) (builtins.attrValues config.environment.etc);
  copied = builtins.filter (e: e.mode != "symlink") entries;
  copiedTable = lib.concatMapStrings (e: "${e.target} ${e.mode} ${e.user} ${e.group}\n") copied;
in
{
  options.environment.etc = mkOption {
    default = { };
    type = types.attrsOf (
      types.submodule (
        { name, config, ... }:
        {
          options = {
            enable = mkOption {
              type = types.bool;
              default = true;
            };
            target = mkOption {
              type = types.str;
              default = name;
            };
            text = mkOption {
              type = types.nullOr types.lines;
              default = null;
            };
            source = mkOption { type = types.path; };
            mode = mkOption {
              type = types.str;
              default = "symlink";
            };
            user = mkOption {
              type = types.str;
              default = "root";
            };
            group = mkOption {
              type = types.str;
              default = "root";
            };
          };
          config.source = lib.mkIf (config.text != null) (
            lib.mkDefault (pkgs.writeText "etc-${baseNameOf name}" config.text)
          );
        }
      )
    );
  };

  config = {
    environment.etc.hostname = lib.mkIf (config.networking.hostName != "") {
      text = config.networking.hostName + "\n";
    };
    environment.etc."os-release".text = ''
      ID=nixos
      NAME=NixOS
      PRETTY_NAME="NixOS ${config.system.nixos.label} (stand-in)"
      VERSION_ID="26.05"
    '';
    system.build.etc = pkgs.runCommand "etc" { } (
      "mkdir -p $out/etc\n"
      + lib.concatMapStrings (e: ''
        mkdir -p "$(dirname "$out/etc/${e.target}")"
        ln -s ${e.source} "$out/etc/${e.target}"
      '') entries
      + ''
        cp ${pkgs.writeText "etc-copied" copiedTable} $out/copied
      ''
    );
    system.activationScripts.etc = {
      deps = [ "users" ];
      text = ''
        /bin/bash ${./setup-etc.sh} ${config.system.build.etc}
      '';
    };
  };
}
