# Kernels are placeholders, as a stand-in host runs on the kernel of the machine, or all are that of the board.
{ lib, final }:
let
  board = import ../board.nix;
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
        ${
          if board == null then
            ''echo "placeholder for ${name}" > $out/Image''
          else
            "cp ${board}/kernel $out/Image"
        }
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
