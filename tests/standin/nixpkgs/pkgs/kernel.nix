# Kernels are placeholders: a stand-in host runs on the kernel of the machine.
{ lib, final }:
let
  kernel =
    name:
    final.runCommand "linux-${name}"
      {
        passthru = {
          version = "0";
          modDirVersion = "0";
        };
      }
      ''
        mkdir -p $out/dtbs
        echo "placeholder for ${name}" > $out/Image
      '';
  packagesFor = k: {
    kernel = k;
  };
in
{
  linux = kernel "default";
  linuxPackages = packagesFor final.linux;
  linuxPackagesFor = packagesFor;
}
// lib.genAttrs' [ "latest" "rpi3" "rpi4" "rpi02w" "6_12" "6_18" ] (
  v: lib.nameValuePair "linuxPackages_${v}" (packagesFor (kernel v))
)
// lib.genAttrs' [ "latest" "rpi3" "rpi4" ] (v: lib.nameValuePair "linux_${v}" (kernel v))
