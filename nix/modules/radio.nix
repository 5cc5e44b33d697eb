# What a configuration does with a wifi radio. Not a module: several of them ask.
{
  config,
  lib,
  options,
}:
let
  inherit (config.networking) wireless;
  networkmanager = config.networking.networkmanager.enable or false;
in
rec {
  # The units that join networks: iwd, or wpa_supplicant for all radios or for each of the named ones.
  daemons =
    lib.optional wireless.iwd.enable "iwd.service"
    ++ lib.optionals wireless.enable (
      if wireless.interfaces or [ ] == [ ] then
        [ "wpa_supplicant.service" ]
      else
        map (interface: "wpa_supplicant-${interface}.service") wireless.interfaces
    );

  isUsed = daemons != [ ] || networkmanager;

  # The rules of the air come with wifi itself and are no firmware. What `hardware.firmware` was set to is seen in its
  # definitions only: its value is one package.
  hasFirmware =
    config.hardware.enableRedistributableFirmware
    || config.hardware.enableAllFirmware or false
    || lib.any (package: lib.getName package != "wireless-regdb") (
      lib.concatLists options.hardware.firmware.definitions
    );
}
