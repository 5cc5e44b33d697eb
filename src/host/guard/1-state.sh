#!/bin/sh
# Activates a system on the host it runs on, and undoes that unless somebody confirms it in time.
# It is sent along with each deploy and needs nothing of spinet on the host.
#
#   protect ID NEW                     keep NEW and the systems to go back to from garbage collection
#   start ID NEW SECONDS MODE [PEER [SPECIALISATION]]
#                                      begin an attempt in a unit of its own; MODE: switch, test, boot, reboot; PEER: $SSH_CONNECTION
#   confirm ID | undo ID               decide an attempt, wait for what comes of it, and print the status
#   seen ID                            the caller has logged in anew: no restart is needed after an undo
#   status                             the last attempt, the host's systems and its room as KEY=VALUE lines
#   follow ID                          the attempt's journal, until it waits or ends; a line each second
#   settle                             end an attempt whose guard died or whose host lost power
#   awake ID                           look after an attempt that restarted the host, if nobody does
#   withdraw ID                        an attempt that has not begun is not to begin any more (withdrawn=ID)
#   release ID                         what was protected for an attempt that never began
#   run.., rescue ID, resume           inside units only
#
# Exit: 0 done, 1 failed, 2 usage, 3 refused because another attempt runs (refused=ID), 4 too late, 5 not decided yet.
# Phases: activating, waiting, committing, undoing, rebooting; final: committed, tested, undone, failed.
set -eu
umask 022
export LC_ALL=C HOME=/root
PATH=/run/current-system/sw/bin:/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

run=/run/spinet             # this boot: lock, tokens, state
kept=/var/lib/spinet/guard  # outlives a power cut: state, confirmed (ran and was confirmed), permanent (the profile since), history
roots=/nix/var/nix/gcroots/spinet
system=/nix/var/nix/profiles/system
extlinux=/boot/extlinux/extlinux.conf
commit_limit=180            # seconds for each step that makes a system permanent
undo_limit=180              # seconds for the former system's own switch
grace=15                    # seconds in which a failed unit may come back by itself
reach_limit=45              # seconds after an undo until the host restarts if nobody can log in
fields="id boot phase mode new runs old profile entry seconds deadline reason switch_exit failed_before failed_after peer probe"

say() { printf '%s\n' "spinet: $*" >&2; }
die() { say "$2"; exit "$1"; }
uptime_now() { read -r up _ </proc/uptime; echo "${up%%.*}"; }
boot_id() { cat /proc/sys/kernel/random/boot_id; }
running() { readlink -f /run/current-system || :; }
profile_path() { readlink -f "$system" || :; }
is_system() { [ -x "$1/bin/switch-to-configuration" ]; }

# --- state ------------------------------------------------------------------------------------------------

# Reads the last attempt into variables named like the fields. What this boot knows counts before what is kept.
load() {
  for field in $fields; do eval "$field="; done
  from=$run/state
  [ -s "$from" ] || from=$kept/state
  [ -s "$from" ] || return 1
  while IFS='=' read -r key value; do
    case " $fields " in *" $key "*) eval "$key=\$value" ;; esac
  done <"$from"
  # a state of an older guard
  [ -n "$runs" ] || runs=$new
}

print_state() {
  for field in $fields; do
    eval "value=\$$field"
    printf '%s=%s\n' "$field" "$value"
  done
}

# Whole or not at all, and on the disk before it counts.
put() {
  if cat >"$1.tmp" && sync "$1.tmp" && mv -f "$1.tmp" "$1"; then return 0; fi
  # what a full disk took of it would be in the way of making room
  rm -f "$1.tmp"
  return 1
}

save() {
  print_state | put "$run/state" && print_state | put "$kept/state"
}

enter() {
  phase=$1
  save || say "The state could not be written (is the disk full?)."
}

# The last word of an attempt: what was decided, and the line that ends `follow`.
finish() {
  phase=$1
  if [ "$phase" != failed ]; then
    rm -f "$roots/$id-new" "$roots/$id-old" "$roots/$id-profile"
  fi
  rm -f "$run/token-$id" "$run/given-up-$id" "$run/confirmed-$id" "$run/undo-$id" "$run/exit-$id" "$kept/pending"
  enter "$phase"
  printf '%s\n' "spinet: $phase${reason:+: $reason}" "spinet-end $id" | systemd-cat -t "spinet-guard-$id" || :
  note
}

# For whoever looks at the host itself: when an attempt ended, which, how, with which new system and which former one.
note() {
  {
    tail -n 199 "$kept/log" 2>/dev/null || :
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $id $phase $new $old"
  } | put "$kept/log" || :
}

is_final() { case $1 in committed | tested | undone | failed) return 0 ;; *) return 1 ;; esac; }

