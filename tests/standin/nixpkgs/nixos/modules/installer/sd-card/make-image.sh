# shellcheck shell=bash disable=SC1090,SC2154
# The build of an image, without mount or loop device. Sourced by sd-image.nix's derivation, whose attributes it reads.
files_as_root=
if [ "$(id -u)" != 0 ]; then files_as_root='unshare --map-root-user'; fi
image=$PWD/$fileName

mkdir -p firmware files
if [ -n "$tree" ]; then cp -a --reflink=auto "$tree/." files; fi
. "$populateFirmwareCommandsPath"
. "$populateRootCommandsPath"

# The root file system: the closure, its registration, and what the host's modules put there.
mkdir -p files/nix/store
while read -r path; do cp -a "$path" files/nix/store/; done < "$closure/store-paths"
cp --no-preserve=mode "$closure/registration" files/nix-path-registration
# not the tree's files: a change of owner takes sudo its power
if [ "$(id -u)" = 0 ]; then chown -hR 0:0 files/nix; fi
chmod 0755 files

used=$(du -sm --apparent-size files | cut -f1)
inodes=$(find files | wc -l)
# Metadata and part-filled blocks take room, too.
root_mib=$((used + inodes / 128 + 32 + standinFreeSpace))
truncate -s "${root_mib}M" root.ext4
# The features that NixOS' e2fsprogs gives by default; Debian's leaves two of them out.
$files_as_root mke2fs -q -F -t ext4 -b 4096 -O metadata_csum,metadata_csum_seed,orphan_file -L "$rootVolumeLabel" -U "$rootPartitionUUID" \
  -E "hash_seed=$rootPartitionUUID,root_owner=0:0" -N "$((inodes * 2 + 32768))" -d files root.ext4

truncate -s "${firmwareSize}M" firmware.fat
mkfs.vfat --invariant -i "${firmwarePartitionID#0x}" -n "$firmwarePartitionName" firmware.fat > /dev/null
(cd firmware && mcopy -psm -i ../firmware.fat ./* ::)

root_offset=$((firmwarePartitionOffset + firmwareSize))
truncate -s "$((root_offset + root_mib))M" "$image"
sfdisk --quiet "$image" << TABLE
label: dos
label-id: $firmwarePartitionID
start=${firmwarePartitionOffset}M, size=${firmwareSize}M, type=b
start=${root_offset}M, type=83, bootable
TABLE
dd if=firmware.fat of="$image" bs=1M seek="$firmwarePartitionOffset" conv=notrunc,sparse status=none
dd if=root.ext4 of="$image" bs=1M seek="$root_offset" conv=notrunc,sparse status=none
img=$image
. "$postBuildCommandsPath"

mkdir -p "$out/sd-image" "$out/nix-support"
if [ -n "$compress" ]; then
  zstd -q --rm -T0 "$img"
  img=$img.zst
fi
mv "$img" "$out/sd-image/"
echo "file sd-image $out/sd-image/$(basename "$img")" > "$out/nix-support/hydra-build-products"
