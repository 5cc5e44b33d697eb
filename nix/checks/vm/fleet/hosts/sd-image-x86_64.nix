# nixpkgs' SD image for x86_64. It is of the same make as the generic one for aarch64: partitions, labels, extlinux.
{ modulesPath, ... }:
{
  imports = [ "${modulesPath}/installer/sd-card/sd-image-x86_64.nix" ];
  disabledModules = [ "profiles/base.nix" ];
  sdImage.compressImage = false;
}
