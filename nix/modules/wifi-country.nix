# The radio keeps to the rules of the country on the card, from before iwd looks for networks: else channels 12 and 13
# and much of 5 GHz stay unused.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  file = "/var/lib/spinet/wifi-country";
in
{
  systemd.services.spinet-wifi-country = lib.mkIf config.networking.wireless.iwd.enable {
    description = "Country of the wifi radio";
    wantedBy = [
      "multi-user.target"
      "iwd.service"
    ];
    before = [ "iwd.service" ];
    unitConfig.ConditionPathExists = file;
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.runtimeShell} ${./set-wifi-country.sh} ${pkgs.iw}/bin/iw ${file}";
    };
  };
}
