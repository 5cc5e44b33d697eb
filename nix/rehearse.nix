# The app `rehearse`: spinet with the emulator that its virtual Pi needs. Of its own, because nobody else should have to
# fetch that. The firmware is the same file wherever it is built: the one for aarch64 comes from the binary cache.
{
  pkgs,
  spinet,
  ubootQemuAarch64,
}:
pkgs.writeShellScript "spinet-rehearse" ''
  export SPINET_QEMU=''${SPINET_QEMU:-${pkgs.qemu}/bin/qemu-system-aarch64}
  export SPINET_UBOOT=''${SPINET_UBOOT:-${ubootQemuAarch64}/u-boot.bin}
  PATH=$PATH:${
    pkgs.lib.makeBinPath [
      pkgs.dnsmasq
      pkgs.iproute2
      pkgs.util-linux
    ]
  }
  exec ${spinet}/bin/spinet rehearse "$@"
''
