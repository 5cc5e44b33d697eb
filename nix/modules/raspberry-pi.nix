# A Raspberry Pi 3, 4 or Zero 2 W that boots from the card spinet wrote: U-Boot with extlinux,
# the image's root file system, wifi firmware, and limits that suit 1 GB of memory and a card.
{ config, lib, ... }:
{
  boot.loader = {
    grub.enable = false;
    generic-extlinux-compatible = {
      enable = true;
      # Each generation keeps a kernel and an initrd in /boot.
      configurationLimit = lib.mkDefault 2;
    };
  };

  fileSystems."/" = {
    device = "/dev/disk/by-label/NIXOS_SD";
    fsType = "ext4";
    options = [ "noatime" ];
  };

  # Without it there is no wlan0.
  hardware.enableRedistributableFirmware = true;

  zramSwap.enable = lib.mkDefault true;
  systemd.oomd.enable = lib.mkDefault true;

  services.journald.extraConfig = ''
    SystemMaxUse=64M
    RuntimeMaxUse=16M
  '';

  # The chip's watchdog counts to 15 seconds at most.
  systemd.settings.Manager.RuntimeWatchdogSec = lib.mkDefault "14s";

  nix = {
    gc = {
      automatic = lib.mkDefault true;
      dates = lib.mkDefault "weekly";
      options = lib.mkDefault "--delete-older-than 14d";
    };
    # Power cuts are a Pi's daily bread: no store path may be registered before it is on the card.
    settings = lib.mkIf (lib.versionAtLeast (lib.getVersion config.nix.package) "2.25") {
      fsync-store-paths = true;
    };
  };
}
