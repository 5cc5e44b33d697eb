# `spinet bootstrap` from a blank disk to an enrolled host.
#
# The image is built before the test (building it here would take a network), so that `nix build` in the client finds
# it. It is the real one of the machine's kind: the generic aarch64 image on aarch64, and on x86_64 nixpkgs' image for
# that, with spinet's bootstrap module in both. What does not happen is that a board boots the card: for x86_64, U-Boot
# does not find the root file system of such an image in QEMU (nixpkgs' own test of it, boot.ubootExtlinux, is marked
# broken). In its place a machine with the same module starts and is given what the card holds.
{
  spinet,
  fleet,
  system,
  admin,
  client,
  ...
}:
let
  outputs = fleet ./fleet/changes/none.nix;
in
{
  name = "spinet-card";

  nodes = {
    client = {
      imports = [ client ];
      virtualisation.additionalPaths = [ outputs.packages.${system}.bach-image ];
      # The card: /dev/vdb.
      virtualisation.emptyDiskImages = [ 8192 ];
      users.users.alice = {
        isNormalUser = true;
        extraGroups = [ "wheel" ];
      };
      security.sudo.wheelNeedsPassword = false;
    };

    bach =
      { lib, modulesPath, ... }:
      {
        imports = [
          "${spinet}/nix/modules/bootstrap.nix"
          # Options of any image; an SD image brings them.
          "${modulesPath}/image/file-options.nix"
        ];
        networking.hostName = lib.mkForce "bach";
        users.users.root.openssh.authorizedKeys.keys = [ admin ];
      };
  };

  testScript = builtins.readFile ./card.py;
}
