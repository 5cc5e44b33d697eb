# The generic image: U-Boot reads extlinux.conf from the root file system.
{ config, lib, ... }:
{
  imports = [
    ../../profiles/base.nix
    ./sd-image.nix
  ];
  boot.loader.grub.enable = false;
  boot.loader.generic-extlinux-compatible.enable = true;
  boot.consoleLogLevel = lib.mkDefault 7;
  boot.kernelParams = [
    "console=ttyS0,115200n8"
    "console=ttyAMA0,115200n8"
    "console=tty0"
  ];
  sdImage = {
    populateFirmwareCommands = ''
      printf '[all]\narm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n' > firmware/config.txt
      echo "placeholder for U-Boot" > firmware/u-boot.bin
    '';
    populateRootCommands = ''
      mkdir -p ./files/boot
      ${config.boot.loader.generic-extlinux-compatible.populateCmd} \
        -c ${config.system.build.toplevel} -d ./files/boot
    '';
  };
}
