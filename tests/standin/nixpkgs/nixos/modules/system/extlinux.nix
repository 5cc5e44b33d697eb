# boot.loader.generic-extlinux-compatible: /boot/extlinux/extlinux.conf from the system profile.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.boot.loader.generic-extlinux-compatible;
  limits = "-g ${toString cfg.configurationLimit} -t ${toString config.boot.loader.timeout}";
  builder = "/bin/bash ${./extlinux-conf.sh} ${limits}";
in
{
  options.boot.loader.generic-extlinux-compatible = {
    enable = mkOption {
      type = types.bool;
      default = false;
    };
    useGenerationDeviceTree = mkOption {
      type = types.bool;
      default = true;
    };
    configurationLimit = mkOption {
      type = types.int;
      default = 20;
    };
    # Used as `${populateCmd} -c TOPLEVEL -d FOLDER` while an image is built.
    populateCmd = mkOption {
      type = types.str;
      default = builder;
    };
  };
  options.boot.kernelPackages = mkOption {
    type = types.raw;
    default = pkgs.linuxPackages;
  };
  # The words for none are nixpkgs' own: spinet looks for them.
  config.system.build.installBootLoader =
    if cfg.enable then
      pkgs.writeScript "install-extlinux" ''
        #!/bin/bash
        exec ${builder} -c "$1"
      ''
    else if config.boot.loader.grub.device or "" != "" then
      # GRUB has no disk here to be installed on
      "true"
    else
      "echo 'Warning: do not know how to make this configuration bootable; please enable a boot loader.' 1>&2; true";
}
