# The radio keeps to the rules of the country on the card, from before anything looks for networks: else channels 12 and
# 13 and much of 5 GHz stay unused.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  file = "/var/lib/spinet/wifi-country";
  inherit (import ./radio.nix { inherit config lib options; }) daemons;
in
{
  systemd.services.spinet-wifi-country = lib.mkIf (daemons != [ ]) {
    description = "Country of the wifi radio";
    wantedBy = [ "multi-user.target" ] ++ daemons;
    before = daemons;
    unitConfig.ConditionPathExists = file;
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.runtimeShell} ${./set-wifi-country.sh} ${pkgs.iw}/bin/iw ${file}";
    };
  };
}
