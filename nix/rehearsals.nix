# What `spinet rehearse` deploys besides the host's own configuration: the same with something in it that goes wrong, or
# takes its time so that something else can.
{ lib }:
{
  # Nobody can reach the host while this runs.
  cuts-network =
    { pkgs, ... }:
    {
      systemd.services.spinet-rehearsal = {
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.iproute2 ];
        script = "ip -o link show up | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p' | while read -r each; do [ $each = lo ] || ip link set $each down; done";
        preStop = "for each in /sys/class/net/*; do ip link set \${each##*/} up; done";
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
      };
    };

  # Half of its activation is over for some seconds.
  slow = {
    systemd.services.spinet-rehearsal = {
      wantedBy = [ "multi-user.target" ];
      script = "sleep 5";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
    };
  };
}
# So large that copying takes a while, each time anew: bytes that no compression makes fewer.
// lib.genAttrs (map (number: "large-${toString number}") (lib.range 0 999)) (
  name:
  { pkgs, ... }:
  {
    environment.etc.spinet-rehearsal.source =
      pkgs.runCommand "spinet-rehearsal-${name}" { }
        "head -c 24M /dev/urandom > $out";
  }
)
