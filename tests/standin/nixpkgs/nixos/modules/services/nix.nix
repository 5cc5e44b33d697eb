# nix.settings and nix.gc.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.nix;
  value = v: if builtins.isList v then toString v else lib.scalar v;
in
{
  options.nix = {
    enable = option types.bool true;
    package = option types.package pkgs.nix;
    channel.enable = option types.bool true;
    settings = option (types.attrsOf types.anything) { };
    extraOptions = option types.lines "";
    nixPath = option (types.listOf types.str) [ ];
    registry = option (types.attrsOf types.anything) { };
    gc = {
      automatic = option types.bool false;
      dates = option (types.either types.str (types.listOf types.str)) "03:15";
      options = option types.str "";
      persistent = option types.bool true;
      randomizedDelaySec = option types.str "0";
    };
  };
  config = {
    nix.settings = {
      # The tree has no build users, and nothing is built on the host.
      build-users-group = "";
      # Nor downloaded: a stand-in host has no way out.
      substituters = lib.mkDefault [ ];
      trusted-users = [ "root" ];
    };
    environment.etc."nix/nix.conf".text =
      lib.concatLines (lib.mapAttrsToList (n: v: "${n} = ${value v}") cfg.settings) + cfg.extraOptions;
    systemd.services.nix-gc = lib.mkIf cfg.gc.automatic {
      description = "Nix Garbage Collector";
      script = "exec ${cfg.package}/bin/nix-collect-garbage ${cfg.gc.options}";
      serviceConfig.Type = "oneshot";
      startAt = cfg.gc.dates;
    };
  };
}
