# shellcheck shell=bash
# Shared by the scripts beside it. Each stand-in host has a folder with what it is made of:
# card (the image's path), ssid, passphrase, address; while it runs also mounts and the console's log.

hosts=${SPINET_HOSTS:-/run/spinet-hosts}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
  echo "$*" >&2
  exit 1
}

# The byte offset of the card's second partition, from its MBR.
root_offset() {
  local start
  start=$(sfdisk --dump "$1" | sed -n '/type=83/s/.*start= *\([0-9]*\),.*/\1/p' | head -n 1)
  [ -n "$start" ] || die "$1 has no Linux partition: is it a card?"
  echo $((start * 512))
}

cgroup_of() {
  local base=/sys/fs/cgroup
  [ ! -d $base/unified ] || base=$base/unified
  echo "$base/spinet-$1"
}

# All of the host's processes at once, as when the power goes.
cut_power() {
  local name=$1 cgroup
  cgroup=$(cgroup_of "$name")
  if [ -d "$cgroup" ]; then
    echo 1 >"$cgroup/cgroup.kill"
    for _ in $(seq 100); do
      grep -q 'populated 1' "$cgroup/cgroup.events" || break
      sleep 0.05
    done
    find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  fi
  local dir=$hosts/$name
  while mountpoint -q "$dir/root"; do umount -R "$dir/root" 2>/dev/null || umount -lR "$dir/root"; done
  while mountpoint -q "$dir/card"; do umount "$dir/card" 2>/dev/null || umount -l "$dir/card"; done
  rm -rf "$dir/up" "$dir/work"
}

# Starts what the card says, on the Debian tree.
power_on() {
  local name=$1 dir=$hosts/$1 root=$hosts/$1/root card=$hosts/$1/card image tree
  image=$(cat "$dir/image")
  tree=$("$here/tree" --path)
  mkdir -p "$dir"/{up,work,root,card}
  mount -o "loop,offset=$(root_offset "$image")" "$image" "$card"
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$dir/up,workdir=$dir/work" "$root"
  # what a Pi keeps lies on the card, all else is the tree's
  local path
  for path in nix boot etc/ssh var/lib/iwd var/lib/spinet var/log root; do
    mkdir -p "$card/$path" "$root/$path"
    mount --bind "$card/$path" "$root/$path"
  done
  chmod 700 "$card/root" "$card/var/lib/iwd"
  cp "$card/etc/hostname" "$root/etc/hostname"
  [ ! -e "$card/nix-path-registration" ] || {
    touch "$root/nix-path-registration"
    mount --bind "$card/nix-path-registration" "$root/nix-path-registration"
  }
  mkdir -p "$root/usr/share/air"
  cp "$dir"/air/* "$root/usr/share/air/"
  setsid unshare --mount --fork --kill-child "$here/machine" "$name" "$root" "$card/boot/extlinux/extlinux.conf" \
    >>"$dir/console" 2>&1 </dev/null 9>&- &
  disown
}
