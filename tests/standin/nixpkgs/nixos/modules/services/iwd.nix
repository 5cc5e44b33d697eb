# networking.wireless.iwd: iwd.service, started from where Debian has the daemon; a stand-in host brings its own there.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking.wireless.iwd;
in
{
  options.networking.wireless.iwd = {
    enable = mkOption {
      type = types.bool;
      default = false;
    };
    settings = mkOption {
      type = types.attrsOf (types.attrsOf types.anything);
      default = { };
    };
  };
  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = !config.networking.wireless.enable;
        message = "networking.wireless.enable and networking.wireless.iwd.enable exclude each other.";
      }
    ];
    environment.etc."iwd/main.conf".text = lib.generators.toINI { } cfg.settings;
    systemd.services.iwd = {
      description = "Wireless service";
      wantedBy = [ "multi-user.target" ];
      before = [ "network.target" ];
      restartTriggers = [ config.environment.etc."iwd/main.conf".source ];
      serviceConfig = {
        ExecStart = "/usr/libexec/iwd";
        StateDirectory = "iwd";
        StateDirectoryMode = "0700";
        Restart = "on-failure";
      };
    };
  };
}
