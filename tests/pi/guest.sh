# shellcheck shell=bash
# A guest with Debian's kernel whose root file system is the toolbox tree, read-only under a memory file system: for
# devices and radios that this machine has not. Sourced by tests/pi/devices and tests/pi/wifi; needs root and $work, a
# scratch folder, which the guest sees as /job.
#
# A script of tests/pi/guest/ runs in it and prints lines on the console that begin with "@": what was proven, what was
# not, and what it asks of this side (guest_asked WORDS, defined by the caller).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/env
. "$here/../env"
root=$(cd "$here/../.." && pwd)
work=

# Under the emulation everything takes its time; the guest is ended after this many seconds.
guest_limit=${SPINET_GUEST_LIMIT:-900}

# Runs itself again in a mount namespace of its own, where the tree shows what QEMU needs.
guest_namespace() {
  [ -z "${SPINET_GUEST:-}" ] || return 0
  [ "$(id -u)" = 0 ] || { echo "$0 needs root: it changes into the tree with the emulators." >&2; exit 1; }
  "$here/toolbox"
  # what was started ends with it
  exec env SPINET_GUEST=1 unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
}

# Puts spinet and the scripts where the guest sees them, and the tree where QEMU does.
guest_prepare() {
  tree=$("$here/toolbox" --path)
  (cd "$root" && cargo build --quiet --locked --bin spinet)
  mkdir -p "$work/bin"
  # the symbols are most of it, and the guest reads all of a program that it starts
  strip -o "$work/bin/spinet" "${CARGO_TARGET_DIR:-$root/target}/debug/spinet"
  cp -r "$here/guest" "$work/"
  # the guest's root: the tree alone, without what is mounted in it from here on
  mount --bind "$tree" "$tree/srv"
  mount -o remount,bind,ro "$tree/srv"
  mount --rbind /dev "$tree/dev"
  mount --bind "$work" "$tree/mnt"
  kernel=$(basename "$tree"/boot/vmlinuz-*)
  chroot "$tree" sh /mnt/guest/initrd "${kernel#vmlinuz-}" /mnt/initrd
}

# KVM where it runs this kernel, which is not told by /dev/kvm being there; found out once.
guest_accel() {
  local console=$work/accel
  [ -w /dev/kvm ] || { echo tcg; return; }
  timeout 20 chroot "$tree" qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 -nodefaults -no-user-config -no-reboot \
    -display none -kernel "/boot/$kernel" -append 'console=ttyS0 panic=-1' -serial stdio >"$console" 2>&1 </dev/null || true
  # without a root file system it gets as far as this
  if grep -q 'VFS: Unable to mount root' "$console"; then echo kvm; else echo tcg; fi
}

# guest_run SCRIPT QEMU-ARGS..: prints a row for each case, and returns whether all are proven. The console is kept in
# $work/console, spinet's messages with it.
guest_run() {
  local script=$1 accel line failed=0 ended='' since=$SECONDS
  shift
  accel=${SPINET_ACCEL:-$(guest_accel)}
  echo "a guest for $script, with $accel"
  mkfifo "$work/monitor.in" "$work/monitor.out"
  # open for both, or opening waits for the other end
  exec {monitor}<>"$work/monitor.in" {answers}<>"$work/monitor.out"
  qmp qmp_capabilities
  while IFS= read -r line; do
    line=${line%$'\r'}
    printf '%s\n' "$line" >>"$work/console"
    case $line in
      '@ ok '*) guest_row "${line#@ ok }" ok ;;
      '@ not so '*)
        guest_row "${line#@ not so }" 'NOT SO'
        failed=1
        ;;
      '@ ask '*) guest_asked "${line#@ ask }" ;;
      '@ end') ended=1 ;;
    esac
  done < <(timeout "$guest_limit" chroot "$tree" qemu-system-x86_64 -accel "$accel" -cpu max,la57=off -M q35 -smp 2 -m 1024 \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio -chardev pipe,id=monitor,path=/mnt/monitor \
    -mon chardev=monitor,mode=control -kernel "/boot/$kernel" -initrd /mnt/initrd \
    -append "console=ttyS0 panic=-1 mitigations=off loglevel=4 job=$script" \
    -virtfs local,path=/srv,mount_tag=tree,security_model=none,readonly=on \
    -virtfs local,path=/mnt,mount_tag=job,security_model=none,multidevs=remap "$@" 2>&1 </dev/null)
  exec {monitor}>&- {answers}>&-
  printf '%-58s %4d s\n' 'all, with the start of the guest' "$((SECONDS - since))"
  [ -n "$ended" ] || { echo "The guest ended before its script did." >&2; failed=1; }
  return "$failed"
}

# guest_row "SECONDS TITLE" RESULT
guest_row() { printf '%-50s %7s %4d s\n' "${1#* }" "$2" "${1%% *}"; }

# qmp COMMAND [ARGUMENTS]
qmp() { printf '{"execute":"%s"%s}\n' "$1" "${2:+,\"arguments\":$2}" >&"$monitor"; }
