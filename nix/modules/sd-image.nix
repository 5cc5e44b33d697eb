# An SD image of the configuration this is added to: nixpkgs' generic one for aarch64, which boots any board that U-Boot
# and mainline Linux know (Raspberry Pi 3, 4, Zero 2 W among them).
{
  config,
  lib,
  modulesPath,
  options,
  pkgs,
  ...
}:
let
  keysOf =
    user:
    user.openssh.authorizedKeys.keys ++ map builtins.readFile user.openssh.authorizedKeys.keyFiles;
  authorizedKeys = pkgs.writeText "authorized-keys" (
    lib.concatMapStrings (key: "${key}\n") (lib.concatMap keysOf (lib.attrValues config.users.users))
  );
in
{
  imports = [ (modulesPath + "/installer/sd-card/sd-image-aarch64.nix") ];

  # The installer's tools and file systems, ZFS among them, are of no use here.
  disabledModules = [ "profiles/base.nix" ];

  sdImage = {
    # Compressing under emulation costs more than writing does.
    compressImage = false;
    populateRootCommands = lib.mkBefore ''
      if ! sh ${./refuse-example-keys.sh} ${../example-keys} ${authorizedKeys}; then
        exit 1
      fi
    '';
  };

  # Kernels for boards lack some drivers that the list for all hardware names. An option of NixOS 25.11.
  boot = lib.optionalAttrs (options ? boot.initrd.allowMissingModules) {
    initrd.allowMissingModules = true;
  };
}
