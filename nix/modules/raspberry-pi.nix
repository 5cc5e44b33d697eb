# A Raspberry Pi 3, 4 or Zero 2 W that boots from the card spinet wrote: U-Boot with extlinux,
# the image's root file system, wifi firmware, and limits that suit little memory and a card.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (config.spinet.raspberryPi) board;

  boards = {
    "3" = {
      # also the 3A+, 3B+ and CM3
      deviceTrees = "bcm2837-*.dtb";
    };
    "4" = {
      # also the 400 and CM4
      deviceTrees = "bcm2711-*.dtb";
      # USB hangs on PCIe, and its chip wants firmware after each reset
      modules = [
        "pcie-brcmstb"
        "reset-raspberrypi"
      ];
    };
    "zero2w" = {
      deviceTrees = "bcm2837-*.dtb";
      # 512 MB, of which all may be swapped in compressed form
      zramPercent = 100;
      onlyWifi = true;
    };
  };
  facts = if board == null then { } else boards.${board};

  radio = import ./radio.nix { inherit config lib options; };
in
{
  options.spinet.raspberryPi.board = lib.mkOption {
    type = lib.types.nullOr (lib.types.enum (lib.attrNames boards));
    default = null;
    example = "4";
    description = ''
      Which Raspberry Pi this is: a 3, a 4 (also 400 and CM4) or a Zero 2 W. The system then carries the device trees of
      that board alone, the drivers it starts with, and swap that suits its memory. Without it the system boots on all
      of them.

      A Raspberry Pi 5 does not boot this way: nixpkgs has neither its firmware nor U-Boot for it. It needs another
      module and another image, see `docs/boards.md`.
    '';
  };

  config = {
    boot.loader = {
      grub.enable = false;
      generic-extlinux-compatible = {
        enable = true;
        # Each generation keeps a kernel and an initrd in /boot.
        configurationLimit = lib.mkDefault 2;
      };
    };

    boot.initrd.availableKernelModules = facts.modules or [ ];
    hardware.deviceTree.filter = lib.mkIf (facts ? deviceTrees) (lib.mkDefault facts.deviceTrees);

    fileSystems."/" = {
      device = "/dev/disk/by-label/NIXOS_SD";
      fsType = "ext4";
      options = [ "noatime" ];
    };

    # Without it there is no wlan0.
    hardware.enableRedistributableFirmware = lib.mkDefault true;

    # The key spinet enrols. Making an RSA key of 4096 bits as well takes a Pi a minute.
    services.openssh.hostKeys = lib.mkDefault [
      {
        type = "ed25519";
        path = "/etc/ssh/ssh_host_ed25519_key";
      }
    ];

    zramSwap = {
      enable = lib.mkDefault true;
      memoryPercent = lib.mkIf (facts ? zramPercent) (lib.mkDefault facts.zramPercent);
    };

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
    # NixOS 25.05 and older: systemd.watchdog
    systemd =
      if options.systemd ? settings then
        { settings.Manager.RuntimeWatchdogSec = lib.mkDefault "60s"; }
      else
        { watchdog.runtimeTime = lib.mkDefault "60s"; };

    nix.gc = {
      automatic = lib.mkDefault true;
      dates = lib.mkDefault "weekly";
      options = lib.mkDefault "--delete-older-than 14d";
    };

    assertions = [
      {
        assertion = config.nixpkgs.hostPlatform.isAarch64;
        message = ''
          A Raspberry Pi runs aarch64-linux, and this host is built for ${config.nixpkgs.hostPlatform.system}. Set

              system = "aarch64-linux";

          in its row of hosts/default.nix.
        '';
      }
      {
        assertion = radio.isUsed -> radio.hasFirmware;
        message = ''
          The radio of a Raspberry Pi has no firmware of its own: there would be no wlan0 after the next start. Leave

              hardware.enableRedistributableFirmware = true;

          as spinet.nixosModules.raspberry-pi sets it.
        '';
      }
      {
        assertion = facts.onlyWifi or false -> radio.isUsed;
        message = ''
          A Zero 2 W has no network but wifi, and this configuration has none. Add

              spinet.wifi.networks.home.secret = ../../secrets/wifi-home.age;
        '';
      }
    ];

    warnings =
      let
        swap = config.zramSwap.enable || config.swapDevices != [ ];
        builds = config.nix.settings.max-jobs or "auto" != 0;
      in
      lib.optional (builds && !swap) ''
        This Raspberry Pi has neither zram nor swap and may build by itself, which its memory does not last for. Add one of

            zramSwap.enable = true;
            nix.settings.max-jobs = 0;
      '';
  };
}
