# system.build.sdImage with the options and the layout of nixpkgs' sd-image.nix: MBR, FAT "FIRMWARE", ext4 "NIXOS_SD".
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.sdImage;
  toplevel = config.system.build.toplevel;
  fileName = "${config.image.baseName}.img";
  board = import ../../../../board.nix;
in
{
  options = {
    image.baseName =
      with config;
      option types.str "nixos-image-sd-card-${system.nixos.label}-${nixpkgs.hostPlatform.system}";
    image.fileName = option types.str (fileName + lib.optionalString cfg.compressImage ".zst");
    image.extension = option types.str (if cfg.compressImage then "img.zst" else "img");
    image.filePath = option types.str "sd-image/${config.image.fileName}";
    sdImage = {
      storePaths = option (types.listOf types.package) [ toplevel ];
      firmwarePartitionOffset = option types.int 8;
      firmwarePartitionID = option types.str "0x2178694e";
      firmwarePartitionName = option types.str "FIRMWARE";
      firmwareSize = option types.int 30;
      rootVolumeLabel = option types.str "NIXOS_SD";
      rootPartitionUUID = option types.str "44444444-4444-4444-8888-888888888888";
      populateFirmwareCommands = option types.lines "";
      populateRootCommands = option types.lines "";
      postBuildCommands = option types.lines "";
      compressImage = option types.bool true;
      expandOnBoot = option types.bool true;
      # MiB left free in the root file system: a real Pi grows it on its first boot, a stand-in host does not.
      standinFreeSpace = option types.int 200;
    };
  };

  config = {
    fileSystems."/" = lib.mkDefault {
      device = "/dev/disk/by-label/NIXOS_SD";
      fsType = "ext4";
    };
    system.build.sdImage = pkgs.runCommand fileName {
      closure = pkgs.closureInfo { rootPaths = cfg.storePaths; };
      inherit (cfg)
        populateFirmwareCommands
        populateRootCommands
        postBuildCommands
        firmwarePartitionOffset
        firmwarePartitionID
        firmwarePartitionName
        firmwareSize
        rootVolumeLabel
        rootPartitionUUID
        standinFreeSpace
        ;
      compress = cfg.compressImage;
      tree = if board == null then "" else "${board}/root";
      inherit fileName;
      passAsFile = [
        "populateFirmwareCommands"
        "populateRootCommands"
        "postBuildCommands"
      ];
    } ". ${./make-image.sh}";
  };
}
