# shellcheck shell=bash
# Shared by the scripts beside it. A stand-in host NAME has a folder $hosts/NAME:
# image (the card's path), delay, air/ (what its access point is), console (its log); card/ and root/ are mounts.

hosts=${SPINET_HOSTS:-/run/spinet-hosts}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
# what a host is while its power is on
runner=$here/run

die() {
  echo "$*" >&2
  exit 1
}

usage() { die "usage: $(sed -n '2s/^# //p' "$0")"; }

# The name of a host that is there.
known() {
  [ $# = 1 ] || usage
  [ -d "$hosts/$1" ] || die "There is no stand-in host $1 in $hosts."
}

# The byte offset of the card's Linux partition, from its MBR.
root_offset() {
  local start
  start=$(sfdisk --dump "$1" 2>/dev/null | sed -n '/type=83/s/.*start= *\([0-9]*\),.*/\1/p' | head -n 1)
  [ -n "$start" ] || die "$1 has no Linux partition in an MBR: it is no bootable card."
  echo $((start * 512))
}

cgroup_of() {
  local base=/sys/fs/cgroup
  [ ! -d $base/unified ] || base=$base/unified
  echo "$base/spinet-$1"
}

# plug_in NAME SUBNET: the host's link, this machine's end with an address.
plug_in() {
  ip netns add "$1"
  ip link add "v-$1" type veth peer name wlan0 netns "$1"
  ip addr add "10.77.$2.1/24" dev "v-$1"
  ip link set "v-$1" up
  ip -n "$1" link set lo up
}

unplug() {
  ip link del "v-$1" 2>/dev/null || true
  ip netns del "$1" 2>/dev/null || true
}

running() { grep -qs 'populated 1' "$(cgroup_of "$1")/cgroup.events"; }

# detach FOLDER: unmounts it and all below.
detach() {
  while mountpoint -q "$1"; do umount -R "$1" 2>/dev/null || umount -lR "$1"; done
}

# All of the host's processes at once, as when the power goes. Its card can be taken out then.
cut_power() {
  local name=$1 cgroup
  cgroup=$(cgroup_of "$name")
  if [ -d "$cgroup" ]; then
    echo 1 >"$cgroup/cgroup.kill"
    for _ in $(seq 200); do
      running "$name" || break
      sleep 0.02
    done
    find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  fi
  # the kernel's end of the link would still answer
  ip -n "$name" link set wlan0 down 2>/dev/null || true
  detach "$hosts/$name/root"
  detach "$hosts/$name/card"
}

# What a Pi keeps lies on the card: /nix, /boot and the like where a Pi has them, all other changes to the Debian tree
# in .standin, so that they outlive a power cut and go with the card.
insert_card() {
  local dir=$hosts/$1 root=$hosts/$1/root card=$hosts/$1/card image tree path
  image=$(cat "$dir/image")
  tree=$("$here/tree" --path)
  [ -d "$tree" ] || die "The stand-in host's tree is missing; run tests/setup."
  mkdir -p "$root" "$card"
  mount -o "loop,offset=$(root_offset "$image")" "$image" "$card"
  # the container must not be able to unmount or propagate into the machine
  mount --make-private "$card"
  local first=
  [ -d "$card/.standin" ] || first=1
  mkdir -p "$card/.standin/up" "$card/.standin/work"
  mount -t overlay overlay -o "lowerdir=$tree,upperdir=$card/.standin/up,workdir=$card/.standin/work" "$root"
  mount --make-private "$root"
  for path in nix boot etc/ssh var/lib/iwd var/lib/spinet var/log root; do
    mkdir -p "$card/$path" "$root/$path"
    mount --bind "$card/$path" "$root/$path"
  done
  chmod 700 "$card/root" "$card/var/lib/iwd"
  # Later it may be a link into the store, which on this machine is another one.
  if [ -n "$first" ] && [ -f "$card/etc/hostname" ]; then cp "$card/etc/hostname" "$root/etc/hostname"; fi
  if [ -e "$card/nix-path-registration" ]; then
    touch "$root/nix-path-registration"
    mount --bind "$card/nix-path-registration" "$root/nix-path-registration"
  fi
  mkdir -p "$root/usr/share/air"
  mount --bind -o ro "$dir/air" "$root/usr/share/air"
}

power_on() {
  local name=$1
  ! running "$name" || die "$name is on already."
  cut_power "$name"
  insert_card "$name"
  setsid "$runner" "$name" >>"$hosts/$name/console" 2>&1 </dev/null 9>&- &
  disown
  # from here on a power cut finds the processes
  for _ in $(seq 250); do
    ! running "$name" || return 0
    sleep 0.02
  done
  die "$name did not start: $(tail -n 3 "$hosts/$name/console")"
}
