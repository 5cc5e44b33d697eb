#!/bin/sh
# as-user.sh TREE WORK PROGRAM WAY COMMAND..: runs COMMAND in WORK as the user `maker`, on a machine that is a copy of
# TREE with PROGRAM as /usr/bin/spinet. WAY is how maker becomes root: sudo, doas, none, or refused (sudo that says no).
# Start it in a mount namespace of its own: its mounts go with that.
set -eu
tree=$1 work=$2 program=$3 way=$4
shift 4
machine=$(mktemp -d "$work/machine.XXXXXX")
root=$machine/root
mkdir "$root" "$machine/up" "$machine/over"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$machine/up,workdir=$machine/over" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
cp "$program" "$root/usr/bin/spinet"
chmod 755 "$root"
chroot "$root" useradd -m maker
mkdir -p "$root$work"
mount --bind "$work" "$root$work"
chroot "$root" chown maker: "$work"
case $way in
  sudo) echo 'maker ALL=(root) NOPASSWD: /usr/bin/spinet privileged *' >"$root/etc/sudoers.d/maker" ;;
  doas)
    rm -f "$root/usr/bin/sudo" "$root/usr/bin/run0"
    echo 'permit nopass maker as root cmd /usr/bin/spinet' >"$root/etc/doas.conf"
    ;;
  none) rm -f "$root/usr/bin/sudo" "$root/usr/bin/doas" "$root/usr/bin/run0" ;;
  refused) ;;
esac
cd "$work"
# shellcheck disable=SC2016
exec chroot --userspec=maker: "$root" /usr/bin/env -i HOME=/home/maker TERM="${TERM:-dumb}" \
  PATH=/usr/bin:/bin sh -c 'cd "$1" && shift && exec "$@"' sh "$work" "$@"
