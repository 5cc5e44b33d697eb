# services.avahi: avahi-daemon.service with the configuration NixOS would write.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  yes = b: if b then "yes" else "no";
  cfg = config.services.avahi;
  conf = pkgs.writeText "avahi-daemon.conf" ''
    [server]
    ${lib.optionalString (cfg.hostName != "") "host-name=${cfg.hostName}"}
    use-ipv4=${yes cfg.ipv4}
    use-ipv6=${yes cfg.ipv6}
    enable-dbus=no
    ${lib.optionalString (
      cfg.allowInterfaces != null
    ) "allow-interfaces=${lib.concatStringsSep "," cfg.allowInterfaces}"}
    [publish]
    disable-publishing=${yes (!cfg.publish.enable)}
    publish-addresses=${yes cfg.publish.addresses}
    publish-workstation=${yes cfg.publish.workstation}
    publish-domain=${yes cfg.publish.domain}
    publish-hinfo=${yes cfg.publish.hinfo}
    ${cfg.extraConfig}
  '';
in
{
  options.services.avahi = {
    enable = option types.bool false;
    hostName = option types.str config.networking.hostName;
    ipv4 = option types.bool true;
    ipv6 = option types.bool false;
    allowInterfaces = option (types.nullOr (types.listOf types.str)) null;
    openFirewall = option types.bool true;
    nssmdns4 = option types.bool false;
    nssmdns6 = option types.bool false;
    extraConfig = option types.lines "";
    publish = {
      enable = option types.bool false;
      addresses = option types.bool false;
      workstation = option types.bool false;
      domain = option types.bool false;
      hinfo = option types.bool false;
      userServices = option types.bool false;
    };
  };
  config.systemd.services.avahi-daemon = lib.mkIf cfg.enable {
    description = "Avahi mDNS/DNS-SD Stack";
    wantedBy = [ "multi-user.target" ];
    before = [ "network.target" ];
    serviceConfig = {
      ExecStart = "${pkgs.avahi}/sbin/avahi-daemon --syslog -f ${conf}";
      RuntimeDirectory = "avahi-daemon";
      Restart = "on-failure";
    };
  };
}
