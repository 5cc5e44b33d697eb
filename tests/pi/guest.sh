# shellcheck shell=bash
# A guest with Debian's kernel whose root file system is the toolbox tree, read-only under a memory file system: for
# devices and radios that this machine has not. Sourced by tests/pi/devices and tests/pi/wifi; needs root. What is in
# $work, a scratch folder, the guest sees as /job.
#
# A script of tests/pi/guest/ runs in it and prints lines on the console: "== TITLE" where a case begins, and those that
# begin with "@": what was proven, what was not, and what it asks of this side (guest_asked WORDS, defined by the caller).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/env
. "$here/../env"
root=$(cd "$here/../.." && pwd)
work='' keep='' quiet='' failed=0
rows=()
# Set by a test whose time limits are those of programs in the guest: its clock goes by what it has done, not by what this
# machine could spare for it.
guest_own_clock=

# Under the emulation everything takes its time; the guest is ended after this many seconds.
guest_limit=${SPINET_GUEST_LIMIT:-900}

# guest_begin OPTION..: reads the options, and starts the test again in namespaces of its own, where the tree shows what
# QEMU needs; makes the scratch folder.
guest_begin() {
  local option
  for option in "$@"; do
    case $option in
      --keep) keep=1 ;;
      --quiet) quiet=1 ;;
      *)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    esac
  done
  if [ -z "${SPINET_GUEST:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "$0 needs root: it changes into the tree with the emulators." >&2; exit 1; }
    "$here/toolbox"
    # what was started ends with it
    exec env SPINET_GUEST=1 unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc "$0" "$@"
  fi
  ip link set lo up
  work=$(mktemp -d "${TMPDIR:-/tmp}/spinet-guest.XXXXXX")
  trap 'exit 143' TERM
  trap '[ -n "$keep" ] || rm -rf "$work"' EXIT
  began=$SECONDS
}

# guest_end: the table; ends the test.
guest_end() {
  printf '\n%-50s %7s %6s\n' proven '' time
  printf '%s\n' "${rows[@]}"
  printf '%-58s %4d s\n' all "$((SECONDS - began))"
  if [ "$failed" != 0 ]; then
    keep=1
    printf '\nWhat the guest said:\n' >&2
    cat "$work/console" >&2
    echo "Not all of it was proven; the guest's console above is also in $work/console." >&2
  fi
  exit "$failed"
}

# Puts spinet and the scripts where the guest sees them, and the tree where QEMU does.
guest_prepare() {
  tree=$("$here/toolbox" --path)
  (cd "$root" && cargo build --quiet --locked --bin spinet)
  mkdir -p "$work/bin"
  spinet=${CARGO_TARGET_DIR:-$root/target}/debug/spinet
  # the symbols are most of it, and the guest reads all of a program that it starts
  strip -o "$work/bin/spinet" "$spinet"
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

# guest_run SCRIPT QEMU-ARGS..: a row for each case; `failed` tells whether one of them was not proven. The console is
# kept in $work/console, spinet's messages with it.
guest_run() {
  local script=$1 accel line ended='' since=$SECONDS clock=()
  local -A begun=()
  shift
  accel=${SPINET_ACCEL:-$(guest_accel)}
  # a nanosecond an instruction: more work in a second than the emulation ever does
  [ -z "$guest_own_clock" ] || [ "$accel" != tcg ] || clock=(-icount shift=0 -smp 1)
  guest_says "a guest for $script, with $accel"
  mkfifo "$work/monitor.in" "$work/monitor.out"
  # open for both, or opening waits for the other end
  exec {monitor}<>"$work/monitor.in" {answers}<>"$work/monitor.out"
  qmp qmp_capabilities
  while IFS= read -r line; do
    line=${line%$'\r'}
    printf '%s\n' "$line" >>"$work/console"
    case $line in
      '== '*)
        line=${line#== }
        begun[$line]=$SECONDS
        guest_says "$line ..."
        ;;
      '@ ok '*)
        line=${line#@ ok }
        guest_row "$((SECONDS - ${begun[$line]:-0}))" "$line" ok
        ;;
      '@ not so '*)
        line=${line#@ not so }
        guest_row "$((SECONDS - ${begun[$line]:-0}))" "$line" 'NOT SO'
        ;;
      '@ ask '*) guest_asked "${line#@ ask }" ;;
      '@ end') ended=1 ;;
    esac
  done < <(timeout "$guest_limit" chroot "$tree" qemu-system-x86_64 -accel "$accel" -cpu max,la57=off -M q35 -smp 2 -m 1024 \
    -nodefaults -no-user-config -no-reboot -display none -serial stdio -chardev pipe,id=monitor,path=/mnt/monitor \
    -mon chardev=monitor,mode=control -kernel "/boot/$kernel" -initrd /mnt/initrd \
    -append "console=ttyS0 panic=-1 mitigations=off loglevel=4 job=$script" \
    -virtfs local,path=/srv,mount_tag=tree,security_model=none,readonly=on \
    -virtfs local,path=/mnt,mount_tag=job,security_model=none,multidevs=remap "${clock[@]}" "$@" 2>&1 </dev/null)
  exec {monitor}>&- {answers}>&-
  [ -n "$ended" ] || guest_row "$((SECONDS - since))" "the guest comes to its end" 'NOT SO'
}

# guest_says WORDS: on the way, unless --quiet
guest_says() { [ -n "$quiet" ] || printf '%s\n' "$*"; }

# guest_row SECONDS TITLE RESULT
guest_row() {
  rows+=("$(printf '%-50s %7s %4d s' "$2" "$3" "$1")")
  [ "$3" != ok ] || return 0
  failed=1
  guest_says "$2: NOT SO"
}

# guest_proves TITLE COMMAND..: on this side
guest_proves() {
  local title=$1 since=$SECONDS result=ok
  shift
  "$@" >>"$work/console" 2>&1 || result='NOT SO'
  guest_row "$((SECONDS - since))" "$title" "$result"
}

# qmp COMMAND [ARGUMENTS]
qmp() { printf '{"execute":"%s"%s}\n' "$1" "${2:+,\"arguments\":$2}" >&"$monitor"; }
