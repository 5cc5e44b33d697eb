# What `nix run .#NAME` runs: spinet's commands of that name.
{
  pkgs,
  spinet,
  # The virtual Pi's firmware. It is the same file wherever it is built: the one for aarch64 comes from the binary cache.
  ubootQemuAarch64,
}:
let
  app = name: description: environment: {
    type = "app";
    program = toString (
      pkgs.writeShellScript "spinet-${name}" ''
        ${environment}
        exec ${spinet}/bin/spinet ${name} "$@"
      ''
    );
    meta = { inherit description; };
  };
in
{
  bootstrap = app "bootstrap" "Turn a blank card into a trusted, enrolled machine on the network" "";
  deploy = app "deploy" "Build the hosts here, activate there, undo what cannot be confirmed" "";
  secrets = app "secrets" "Check, rekey, edit and show the agenix secrets" "";

  # The emulator comes with this app alone: nobody else should have to fetch it.
  rehearse = app "rehearse" "The whole life of a host against a virtual Pi that boots its card" ''
    export SPINET_QEMU=''${SPINET_QEMU:-${pkgs.qemu}/bin/qemu-system-aarch64}
    export SPINET_UBOOT=''${SPINET_UBOOT:-${ubootQemuAarch64}/u-boot.bin}
    PATH=$PATH:${
      pkgs.lib.makeBinPath [
        pkgs.dnsmasq
        pkgs.iproute2
        pkgs.util-linux
      ]
    }
  '';
}
