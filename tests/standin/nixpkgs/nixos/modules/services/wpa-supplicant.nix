# networking.wireless: the units of wpa_supplicant, of all radios or of each named one. No stand-in host starts it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.networking.wireless;
  files = lib.concatMapStrings (file: " -I ${file}") cfg.extraConfigFiles;
  unit = interface: {
    description = "WPA Supplicant instance";
    wantedBy = [ "multi-user.target" ];
    before = [ "network.target" ];
    stopIfChanged = false;
    serviceConfig = {
      ExecStart = "${pkgs.wpa_supplicant}/bin/wpa_supplicant -s -i${interface} -c /etc/wpa_supplicant/nixos.conf${files}";
      User = "wpa_supplicant";
      BindReadOnlyPaths = [ builtins.storeDir ];
    };
  };
in
{
  options.networking.wireless = {
    enable = option types.bool false;
    interfaces = option (types.listOf types.str) [ ];
    networks = option (types.attrsOf types.anything) { };
    extraConfigFiles = option (types.listOf types.path) [ ];
  };
  config = lib.mkIf cfg.enable {
    environment.etc."wpa_supplicant/nixos.conf".text = "pmf=1\n";
    systemd.services =
      if cfg.interfaces == [ ] then
        { wpa_supplicant = unit "wlan0"; }
      else
        lib.listToAttrs (map (i: lib.nameValuePair "wpa_supplicant-${i}" (unit i)) cfg.interfaces);
  };
}
