#!/bin/bash
# Usage: extlinux-conf.sh -t TIMEOUT -g LIMIT -c TOPLEVEL [-d BOOT]
# Writes BOOT/extlinux/extlinux.conf: TOPLEVEL is the default, then come the LIMIT newest generations of the system
# profile. Kernels and initrds are copied to BOOT/nixos; what no entry uses any more is removed.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
timeout=5 limit=20 default='' boot=/boot
while getopts t:g:c:d: flag; do
  case $flag in
    t) timeout=$OPTARG ;;
    g) limit=$OPTARG ;;
    c) default=$OPTARG ;;
    d) boot=$OPTARG ;;
    *) exit 2 ;;
  esac
done
mkdir -p "$boot/extlinux" "$boot/nixos"
declare -A used=()

# Copies a file of the store to BOOT/nixos and leaves its name there in $copied.
keep() {
  local file
  file=$(readlink -f "$1")
  copied=${file#/nix/store/}
  copied=${copied//\//-}
  if [ ! -e "$boot/nixos/$copied" ]; then
    cp -r "$file" "$boot/nixos/$copied.tmp"
    mv "$boot/nixos/$copied.tmp" "$boot/nixos/$copied"
  fi
  used[$copied]=1
}

# entry LABEL TITLE TOPLEVEL
entry() {
  local toplevel
  toplevel=$(readlink -f "$3")
  printf '\nLABEL %s\n  MENU LABEL NixOS - %s\n' "$1" "$2"
  keep "$toplevel/kernel"
  printf '  LINUX ../nixos/%s\n' "$copied"
  keep "$toplevel/initrd"
  printf '  INITRD ../nixos/%s\n' "$copied"
  printf '  APPEND init=%s/init %s\n' "$toplevel" "$(cat "$toplevel/kernel-params")"
  if [ -d "$toplevel/dtbs" ]; then
    keep "$toplevel/dtbs"
    printf '  FDTDIR ../nixos/%s\n' "$copied"
  fi
}

config=$boot/extlinux/extlinux.conf
{
  echo '# Generated file, all changes will be lost on nixos-rebuild!'
  echo 'DEFAULT nixos-default'
  echo 'MENU TITLE ------------------------------------------------------------'
  echo "TIMEOUT $((timeout * 10))"
  entry nixos-default Default "$default"
  if [ "$boot" = /boot ]; then
    cd /nix/var/nix/profiles
    find . -maxdepth 1 -name 'system-*-link' -printf '%f\n' | sed 's/system-\(.*\)-link/\1/' | sort -rn | head -n "$limit" > "$boot/extlinux/generations"
    while read -r number; do
      link=system-$number-link
      entry "nixos-$number-default" "Configuration $number ($(date -d "@$(stat -c %Y "$link")" '+%Y-%m-%d %H:%M') - $(cat "$link/nixos-version"))" "$link"
    done < "$boot/extlinux/generations"
    rm "$boot/extlinux/generations"
  fi
} > "$config.tmp"
# The card may lose power at any moment: the new file must be whole before it has the name.
sync "$config.tmp"
mv -T "$config.tmp" "$config"
sync "$boot/extlinux"

for file in "$boot"/nixos/*; do
  if [ -z "${used[${file##*/}]:-}" ]; then rm -rf "$file"; fi
done
