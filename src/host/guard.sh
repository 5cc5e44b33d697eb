#!/bin/sh
# The guard: activates a system on this host, and undoes it unless somebody confirms it over a new connection.
# Sent along with every deploy and run as root; needs nothing but what every NixOS has.
#
#   guard.sh protect TOPLEVEL              keep TOPLEVEL and the confirmed system from the garbage collector
#   guard.sh start ID TOPLEVEL SECONDS     settle what an earlier attempt left, then activate under a unit of its own
#   guard.sh status                        the last attempt and what the host runs and boots, KEY=VALUE a line
#   guard.sh confirm ID                    the one word that makes it permanent: prints answer=confirmed or answer=late
#   guard.sh undo ID                       give up now instead of at the deadline
#   guard.sh run|rescue ID ..              inside its units only
#
# Phases: activating activated committing committed undoing undone rebooting failed.
# The deadline counts /proc/uptime: a board without a clock jumps by years when it learns the time.
set -u
umask 022
run=${SPINET_RUN:-/run/spinet}
lib=${SPINET_LIB:-/var/lib/spinet}
profile=/nix/var/nix/profiles/system
roots=/nix/var/nix/gcroots/spinet
extlinux=/boot/extlinux/extlinux.conf
# a unit's PATH is not the login's
PATH=/run/current-system/sw/bin:/run/wrappers/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
# how long failing units may take to recover, and an undone host to be reachable again, in seconds
grace=${SPINET_GRACE:-8}
reachable=${SPINET_REACHABLE:-30}
mkdir -p "$run" "$lib"

uptime() {
  IFS=' .' read -r up _ </proc/uptime
  echo "$up"
}
boot_id() { cat /proc/sys/kernel/random/boot_id; }
running() { readlink -f /run/current-system; }
permanent() { readlink -f "$profile"; }

# The toplevel the boot loader would start; nothing where it is not extlinux.
boot_entry() {
  [ -f "$extlinux" ] || return 0
  default='' label=''
  while read -r word value; do
    case $word in
      DEFAULT) default=$value ;;
      LABEL) label=$value ;;
      APPEND)
        if [ "$label" = "$default" ]; then
          for option in $value; do
            case $option in init=*) init=${option#init=} && echo "${init%/init}" && return ;; esac
          done
        fi
        ;;
    esac
  done <"$extlinux"
}

# --- the state file: one attempt, replaced in one step ---

id='' new='' old='' phase='' reason='' boot='' end=0 generation=''

save() {
  phase=$1
  printf '%s\n' "id=$id" "phase=$phase" "new=$new" "old=$old" "boot=$boot" "end=$end" "generation=$generation" \
    "reason=$reason" >"$lib/.state.$$" && mv -f "$lib/.state.$$" "$lib/state"
  echo "spinet: $phase${reason:+: $reason}"
}

load() {
  [ -f "$lib/state" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      id) id=$value ;;
      phase) phase=$value ;;
      new) new=$value ;;
      old) old=$value ;;
      boot) boot=$value ;;
      end) end=$value ;;
      generation) generation=$value ;;
      reason) reason=$value ;;
    esac
  done <"$lib/state"
}

unfinished() {
  case $phase in activating | activated | committing | undoing) return 0 ;; *) return 1 ;; esac
}

# --- what is trusted ---

# The last confirmed system by path, never just what happens to run: a guard that was killed leaves an unconfirmed one.
confirmed() {
  if [ -f "$lib/confirmed" ] && read -r path <"$lib/confirmed" && [ -x "$path/bin/switch-to-configuration" ]; then
    echo "$path"
  else
    permanent
  fi
}

keep() {
  mkdir -p "$roots"
  ln -sfn "$1" "$roots/$2"
}

failed_units() { systemctl list-units --plain --no-legend --full --state=failed | cut -d' ' -f1 | sort; }
links_up() { grep -lx up /sys/class/net/*/operstate 2>/dev/null | sort; }

# --- going forward and back ---

# Runs a system's own script in a process group of its own, at most until $end; kills all of it after that.
switch() {
  setsid "$1/bin/switch-to-configuration" "$2" 9>&- &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    if [ "$(uptime)" -ge "$3" ]; then
      kill -KILL "-$child" 2>/dev/null || kill -KILL "$child"
      wait "$child" 2>/dev/null
      return 124
    fi
    sleep 0.2
  done
  wait "$child"
}

# Units that failed since $1 was recorded and stay failed through the grace time.
newly_failed() {
  waited=0
  while :; do
    bad=$(failed_units | while read -r unit; do
      printf '%s\n' "$1" | grep -qxF -- "$unit" || printf '%s ' "$unit"
    done)
    if [ -z "$bad" ] || [ "$waited" -ge "$grace" ]; then break; fi
    sleep 1
    waited=$((waited + 1))
  done
  printf '%s' "$bad"
}

undo() {
  reason=$1
  save undoing
  rm -f "$run/token.$id"
  switch "$old" test "$(($(uptime) + 120))"
  if [ "$(running)" != "$old" ]; then
    reason="$reason; the former system could not be activated"
    reboot_to_confirmed
    return
  fi
  restore
  if is_reachable; then
    save undone
  else
    reason="$reason; the former system was not reachable"
    reboot_to_confirmed
  fi
}

# Profile and boot entry as they were.
restore() {
  if [ -n "$generation" ] && [ "$(permanent)" != "$old" ]; then
    nix-env -p "$profile" --switch-generation "$generation" || nix-env -p "$profile" --set "$old"
  fi
  entry=$(boot_entry)
  if [ -n "$entry" ] && [ "$entry" != "$old" ]; then switch "$old" boot "$(($(uptime) + 120))"; fi
}

# Every link that was up before is up again, and sshd shows a key.
is_reachable() {
  last=$(($(uptime) + reachable))
  while [ "$(uptime)" -lt "$last" ]; do
    missing=$(printf '%s\n' "$links" | while read -r link; do
      [ -z "$link" ] || grep -qx up "$link" 2>/dev/null || echo "$link"
    done)
    if [ -z "$missing" ] && answers; then return 0; fi
    sleep 1
  done
  return 1
}

answers() {
  command -v ssh-keyscan >/dev/null || return 0
  [ -n "$(ssh-keyscan -T 3 -p "${SPINET_PORT:-22}" 127.0.0.1 2>/dev/null)" ]
}

reboot_to_confirmed() {
  save rebooting
  sync
  systemctl reboot
}

commit() {
  save committing
  # nix need not sync what it writes: nothing permanent may point to what is not on the card
  sync -f /nix/store 2>/dev/null || sync
  if ! nix-env -p "$profile" --set "$new" || [ "$(permanent)" != "$new" ]; then
    undo "the system profile could not be set"
    return
  fi
  switch "$new" boot "$(($(uptime) + 120))"
  code=$?
  entry=$(boot_entry)
  if [ "$code" != 0 ] || { [ -n "$entry" ] && [ "$entry" != "$new" ]; }; then
    undo "the boot loader could not be installed (exit $code)"
    return
  fi
  printf '%s\n' "$new" >"$lib/.confirmed" && mv -f "$lib/.confirmed" "$lib/confirmed"
  keep "$new" confirmed
  rm -f "$roots/new"
  sync
  save committed
}

# --- the commands ---

lock() {
  exec 9>"$run/lock"
  flock -n 9
}

# What an attempt left that did not come to an end: a power cut, or a guard that was killed.
settle() {
  load && unfinished || return 0
  links=''
  if [ "$boot" = "$(boot_id)" ]; then
    undo "the guard was killed"
  else
    reason="the power was cut while $phase"
    restore
    save undone
  fi
}

start() {
  id=$1 new=$2 seconds=$3
  if ! lock; then
    load
    echo "answer=refused"
    echo "by=$id"
    exit 0
  fi
  settle
  id=$1 new=$2
  if ! [ -x "$new/bin/switch-to-configuration" ]; then
    echo "answer=broken"
    exit 0
  fi
  exec 9>&-
  systemd-run --quiet --collect --unit="spinet-rescue-$id" --on-active="$((seconds + 60))" --timer-property=AccuracySec=1s \
    -p IgnoreOnIsolate=yes sh "$0" rescue "$id" >/dev/null || exit 1
  # no pipe to the session: a dead client must not give the switch a closed pipe
  systemd-run --quiet --collect --unit="spinet-guard-$id" --service-type=exec -p IgnoreOnIsolate=yes \
    -p SyslogIdentifier=spinet sh "$0" run "$id" "$new" "$seconds" </dev/null >/dev/null || exit 1
  echo "answer=started"
}

run() {
  id=$1 new=$2
  lock || exit 1
  old=$(confirmed)
  links=$(links_up)
  before=$(failed_units)
  boot=$(boot_id)
  end=$(($(uptime) + $3))
  generation=$(readlink "$profile" | sed -n 's/^system-\([0-9]*\)-link$/\1/p')
  reason=''
  keep "$old" confirmed
  keep "$new" new
  rm -f "$run"/token.* "$run"/answer.* "$run"/undo.*
  save activating
  switch "$new" test "$end"
  code=$?
  case $code in
    0 | 4) ;;
    124) undo "the activation did not end in time" && finish ;;
    *) undo "switch-to-configuration failed (exit $code)" && finish ;;
  esac
  bad=$(newly_failed "$before")
  if [ -n "$bad" ]; then undo "units failed: ${bad% }" && finish; fi
  : >"$run/token.$id"
  save activated
  while [ -e "$run/token.$id" ] && [ ! -e "$run/undo.$id" ] && [ "$(uptime)" -lt "$end" ]; do sleep 0.2; done
  # one rename wins: the client's, which confirms, or this one, which gives up
  if mv "$run/token.$id" "$run/expired.$id" 2>/dev/null; then
    rm -f "$run/expired.$id"
    why='nobody confirmed it in time'
    [ ! -s "$run/undo.$id" ] || why=$(cat "$run/undo.$id")
    undo "$why"
  else
    commit
  fi
  finish
}

finish() {
  systemctl stop "spinet-rescue-$id.timer" 2>/dev/null
  rm -f "$run"/answer.* "$run"/undo.*
  echo "spinet: end $id"
  exit 0
}

case ${1:-} in
  protect)
    keep "$2" new
    keep "$(confirmed)" confirmed
    ;;
  start) start "$2" "$3" "$4" ;;
  run) run "$2" "$3" "$4" ;;
  rescue)
    # the guard holds the lock for as long as it lives
    lock && load && [ "$id" = "$2" ] && settle
    ;;
  confirm)
    if mv "$run/token.$2" "$run/answer.$2" 2>/dev/null; then echo "answer=confirmed"; else echo "answer=late"; fi
    ;;
  undo) printf '%s' "${3:-the deploy gave up}" >"$run/undo.$2" ;;
  status)
    load
    printf '%s\n' "id=$id" "phase=$phase" "reason=$reason" "new=$new" "old=$old" \
      "left=$((end - $(uptime)))" "running=$(running)" "profile=$(permanent)" "entry=$(boot_entry)"
    if [ "$boot" = "$(boot_id)" ]; then echo "rebooted=no"; else echo "rebooted=yes"; fi
    if lock; then echo "guard=none"; else echo "guard=running"; fi
    ;;
  *)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
