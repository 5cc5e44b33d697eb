# A Raspberry Pi 3, 4 or Zero 2 W that boots from the card spinet wrote: U-Boot with extlinux,
# the image's root file system, wifi firmware, and limits that suit 1 GB of memory and a card.
{ lib, options, ... }:
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

  # The key spinet enrols. Making an RSA key of 4096 bits as well takes a Pi a minute.
  services.openssh.hostKeys = lib.mkDefault [
    {
      type = "ed25519";
      path = "/etc/ssh/ssh_host_ed25519_key";
    }
  ];

  zramSwap.enable = lib.mkDefault true;

  # NixOS 26.11 has `settings` in the place of `extraConfig`.
  services.journald =
    if options.services.journald ? settings then
      {
        settings.Journal.SystemMaxUse = lib.mkDefault "64M";
        settings.Journal.RuntimeMaxUse = lib.mkDefault "16M";
      }
    else
      {
        extraConfig = ''
          SystemMaxUse=64M
          RuntimeMaxUse=16M
        '';
      };

  # A frozen board restarts itself. Longer than the chip's own 15 seconds (the kernel counts on),
  # so that a card which is slow to write does not look like a frozen board.
  systemd.settings.Manager.RuntimeWatchdogSec = lib.mkDefault "60s";

  nix.gc = {
    automatic = lib.mkDefault true;
    dates = lib.mkDefault "weekly";
    options = lib.mkDefault "--delete-older-than 14d";
  };
}
