# security.sudo, and /run/wrappers/bin, where NixOS has the programs that change the user.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.security.sudo;
in
{
  options.security.sudo = {
    enable = option types.bool true;
    wheelNeedsPassword = option types.bool true;
    execWheelOnly = option types.bool false;
    extraRules = option (types.listOf types.anything) [ ];
    extraConfig = option types.lines "";
  };
  config = {
    environment.etc.sudoers = lib.mkIf cfg.enable {
      mode = "0440";
      text = ''
        root ALL=(ALL:ALL) SETENV: ALL
        %wheel ALL=(ALL:ALL) ${lib.optionalString (!cfg.wheelNeedsPassword) "NOPASSWD: "}SETENV: ALL
        ${cfg.extraConfig}
      '';
    };
    system.activationScripts.wrappers = ''
      mkdir -p /run/wrappers/bin
      for program in sudo su mount umount ping; do
        ln -sfn /usr/bin/$program /run/wrappers/bin/$program
      done
    '';
  };
}
