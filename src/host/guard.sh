#!/bin/sh
# Activates a system on the host it runs on, and undoes that unless somebody confirms it in time.
# It is sent along with each deploy and needs nothing of spinet on the host.
#
#   protect ID NEW                     keep NEW and the systems to go back to from garbage collection
#   start ID NEW SECONDS MODE [PEER]   begin an attempt in a unit of its own; MODE: switch, test, boot; PEER: $SSH_CONNECTION
#   confirm ID | undo ID               decide an attempt, and wait for what comes of it
#   seen ID                            the caller has logged in anew: no restart is needed after an undo
#   status                             the last attempt and the host's systems as KEY=VALUE lines
#   follow ID                          the attempt's journal, to its end
#   settle                             end an attempt whose guard died or whose host lost power
#   run.., rescue ID                   inside units only
#
# Exit: 0 done, 1 failed, 2 usage, 3 refused because another attempt runs (refused=ID), 4 too late, 5 not decided yet.
# Phases: activating, waiting, committing, undoing; final: committed, tested, undone, failed.
set -eu
umask 022
export LC_ALL=C HOME=/root
PATH=/run/current-system/sw/bin:/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

run=/run/spinet             # this boot: lock, tokens, state
kept=/var/lib/spinet/guard  # outlives a power cut: state, confirmed, previous
roots=/nix/var/nix/gcroots/spinet
system=/nix/var/nix/profiles/system
extlinux=/boot/extlinux/extlinux.conf
commit_limit=180            # seconds for each step that makes a system permanent
undo_limit=180              # seconds for the former system's own switch
grace=15                    # seconds in which a failed unit may come back by itself
reach_limit=90              # seconds after an undo until the host restarts if nobody can log in
fields="id boot phase mode new old profile entry deadline reason switch_exit failed_before failed_after peer probe"

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
}

print_state() {
  for field in $fields; do
    eval "value=\$$field"
    printf '%s=%s\n' "$field" "$value"
  done
}

# Whole or not at all, and on the disk before it counts.
put() {
  cat >"$1.tmp" && sync "$1.tmp" && mv -f "$1.tmp" "$1"
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
  rm -f "$run/token-$id" "$run/given-up-$id" "$run/confirmed-$id" "$run/undo-$id" "$run/exit-$id"
  enter "$phase"
  printf '%s\n' "spinet: $phase${reason:+: $reason}" "spinet-end $id" | systemd-cat -t "spinet-guard-$id" || :
}

is_final() { case $1 in committed | tested | undone | failed) return 0 ;; *) return 1 ;; esac; }

# --- what the host would boot and what it has failed --------------------------------------------------------

# The toplevel behind extlinux' DEFAULT label; nothing with another boot loader.
boot_entry() {
  [ -r "$extlinux" ] || return 0
  default='' label=''
  while read -r word rest; do
    case $word in
      DEFAULT) default=$rest ;;
      LABEL) label=$rest ;;
      APPEND)
        if [ "$label" = "$default" ]; then
          init=" $rest"
          init=${init##* init=}
          init=${init%% *}
          echo "${init%/init}"
          return 0
        fi
        ;;
    esac
  done <"$extlinux"
}

failed_units() {
  systemctl list-units --plain --no-legend --full --state=failed,auto-restart |
    while read -r unit _; do case $unit in spinet-*) ;; *) printf '%s ' "$unit" ;; esac; done
}

# Units that fail now and did not before the attempt.
newly_failed() {
  for unit in $(failed_units); do
    case " $failed_before " in *" $unit "*) ;; *) printf '%s ' "$unit" ;; esac
  done
}

# The system to go back to. What merely runs may be what a killed guard left behind, so it counts only
# if it is also permanent, was confirmed, or was booted.
known_good() {
  now=$(running)
  for good in "$(profile_path)" "$(cat "$kept/confirmed" 2>/dev/null || :)" "$(readlink -f /run/booted-system || :)"; do
    if [ "$good" = "$now" ] && is_system "$good"; then echo "$good"; return 0; fi
  done
  for good in "$(profile_path)" "$(cat "$kept/confirmed" 2>/dev/null || :)" "$now"; do
    if is_system "$good"; then echo "$good"; return 0; fi
  done
  return 1
}

# Whether a login can reach this host by the address the deploy came in on.
reachable() {
  # shellcheck disable=SC2086 # four words: client address and port, server address and port
  set -- $peer
  [ $# -eq 4 ] || return 1
  # shellcheck disable=SC2016 # bash expands it, for its /dev/tcp
  timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && read -r line <&3 && [ "${line#SSH-}" != "$line" ]' "$3" "$4" 2>/dev/null &&
    ip route get "$1" >/dev/null 2>&1
}

# --- undo and commit ----------------------------------------------------------------------------------------

# Profile and boot entry as they were before the attempt.
restore_permanent() {
  restored=0
  if [ -n "$profile" ] && [ "$(readlink "$system" || :)" != "$profile" ]; then
    extra=$(readlink "$system" || :)
    ln -sfn "$profile" "$system.spinet" && mv -Tf "$system.spinet" "$system" || restored=1
    case $extra in system-*-link)
      if [ "$(readlink "${system%/*}/$extra" || :)" = "$new" ]; then rm -f "${system%/*}/$extra"; fi ;;
    esac
  fi
  if [ -n "$entry" ] && [ "$(boot_entry)" != "$entry" ]; then
    timeout -k 5 "$commit_limit" "$entry/bin/switch-to-configuration" boot 9>&- || :
    [ "$(boot_entry)" = "$entry" ] || restored=1
  fi
  return "$restored"
}

undo() {
  reason=$1
  say "Undoing: $reason"
  enter undoing
  permanent=yes
  restore_permanent || permanent=no
  [ "$permanent" = yes ] || say "The profile or the boot entry could not be restored."
  status=0
  # also when OLD seems to run: an activation cut short may have changed anything
  timeout -k 5 "$undo_limit" "$old/bin/switch-to-configuration" test 9>&- || status=$?
  if [ "$(running)" = "$old" ] && { [ "$status" = 0 ] || [ "$status" = 4 ]; }; then
    if [ "$permanent" = yes ]; then verdict=undone; else verdict=failed; fi
    enter "undoing"
    if ! reachable_again; then
      reason="$reason Nobody could log in afterwards, so the host restarted."
      restart
    fi
    failed_after=$(newly_failed)
    finish "$verdict"
  else
    reason="$reason The former system's own switch failed (exit $status), so the host restarted into it."
    verdict=failed
    [ "$permanent" = no ] || verdict=undone
    restart
  fi
}

# After an undo logins can hang for a while. Waits until one works; without a way to tell, believes it.
reachable_again() {
  [ "$probe" = yes ] || return 0
  last=$(($(uptime_now) + reach_limit))
  while [ "$(uptime_now)" -lt "$last" ]; do
    if [ -e "$run/seen-$id" ] || reachable; then return 0; fi
    sleep 1
  done
  return 1
}

restart() {
  say "Restarting into the former system."
  finish "$verdict"
  sync
  systemctl reboot
  exit 0
}

commit() {
  enter committing
  problem=
  # nix does not flush store paths by itself: a power cut must not leave empty files in what boots next
  sync -f /nix/store || :
  if ! timeout -k 5 "$commit_limit" nix-env -p "$system" --set "$new" 9>&-; then
    problem="nix-env could not set the system profile."
  elif ! timeout -k 5 "$commit_limit" "$new/bin/switch-to-configuration" boot 9>&-; then
    problem="The boot entry could not be written."
  elif [ "$(profile_path)" != "$new" ]; then
    problem="The system profile does not name the new system."
  else
    case $(boot_entry) in "" | "$new") ;; *) problem="The boot entry does not name the new system." ;; esac
  fi
  if [ -n "$problem" ]; then
    undo "$problem"
    return 0
  fi
  sync
  former=$(cat "$kept/confirmed" 2>/dev/null || echo "$old")
  if [ "$former" != "$new" ]; then echo "$former" | put "$kept/previous" || :; fi
  echo "$new" | put "$kept/confirmed" || :
  finish committed
}

# Ends an attempt that nobody looks after any more. Called with the lock held.
settle() {
  load || return 0
  if is_final "$phase"; then return 0; fi
  say "Settling attempt $id, which was left while $phase."
  if [ "$boot" = "$(boot_id)" ]; then
    if [ "$phase" = committing ] || { [ -e "$run/confirmed-$id" ] && [ "$mode" = switch ]; }; then
      commit
    elif [ "$phase" = waiting ] && [ "$mode" = test ] && [ -e "$run/confirmed-$id" ]; then
      finish tested
    else
      mv "$run/token-$id" "$run/given-up-$id" 2>/dev/null || :
      undo "${reason:-The guard was killed before anybody confirmed.}"
    fi
  elif [ "$phase" = committing ] && { [ "$(boot_entry)" = "$new" ] || [ "$(running)" = "$new" ]; }; then
    # it was confirmed, and the host already boots it
    boot=$(boot_id)
    commit
  else
    verdict=undone
    restore_permanent || verdict=failed
    reason="The host restarted while $phase."
    finish "$verdict"
  fi
}

# --- the attempt ----------------------------------------------------------------------------------------------

stop_switch() {
  kill -KILL -- "-$switch" 2>/dev/null || :
  wait "$switch" 2>/dev/null || :
}

given_up() {
  if [ -e "$run/undo-$id" ]; then
    reason="It was asked for."
  elif [ "$(uptime_now)" -ge "$deadline" ]; then
    reason=$1
  else
    return 1
  fi
}

# Succeeds when the new system runs and somebody confirmed it; else says why in $reason.
activate() {
  enter activating
  # a session of its own, so that a hanging switch can be killed with all its children
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid sh -c '"$0/bin/switch-to-configuration" test; echo $? >"$1.tmp"; mv "$1.tmp" "$1"' "$new" "$run/exit-$id" 9>&- &
  switch=$!
  until [ -e "$run/exit-$id" ]; do
    if given_up "The switch did not end in time."; then stop_switch; return 1; fi
    sleep 0.2
  done
  stop_switch
  read -r switch_exit <"$run/exit-$id"
  failed_after=$(newly_failed)
  if [ "$switch_exit" = 4 ]; then
    last=$(($(uptime_now) + grace))
    while [ -n "$failed_after" ] && [ "$(uptime_now)" -lt "$last" ]; do
      if given_up "Units failed: $failed_after"; then return 1; fi
      sleep 1
      failed_after=$(newly_failed)
    done
    [ -z "$failed_after" ] || { reason="Units failed: ${failed_after% }."; return 1; }
  elif [ "$switch_exit" != 0 ]; then
    reason="switch-to-configuration failed (exit $switch_exit)."
    return 1
  elif [ "$(running)" != "$new" ]; then
    reason="switch-to-configuration ended well, but the new system does not run."
    return 1
  fi
  enter waiting
  : >"$run/token-$id"
  until given_up "Nobody confirmed in time."; do
    if [ -e "$run/confirmed-$id" ]; then return 0; fi
    sleep 0.2
  done
  # one rename wins: this one, or the one that confirms
  if mv "$run/token-$id" "$run/given-up-$id" 2>/dev/null; then return 1; fi
  reason=
}

cmd_run() { # ID NEW SECONDS MODE PEER
  exec 9>"$run/lock"
  if ! flock -w 2 9; then
    load || :
    echo "$id" >"$run/refused-$1"
    return 3
  fi
  settle
  for field in $fields; do eval "$field="; done
  id=$1 new=$2 mode=$4 peer=$5 boot=$(boot_id) phase=activating
  old=$(known_good) || die 1 "There is no system to go back to: neither $system nor /run/current-system is one."
  # the tools of a system that is known to work
  PATH=$old/sw/bin:$PATH
  profile=$(readlink "$system" || :) entry=$(boot_entry) failed_before=$(failed_units)
  probe=no
  if reachable; then probe=yes; fi
  deadline=$(($(uptime_now) + $3))
  protect
  save || die 1 "The state could not be written to $kept (is the disk full?)."
  if [ "$mode" = boot ]; then
    commit
    return 0
  fi
  systemd-run --quiet --collect --unit="spinet-rescue-$id" --on-active="$(($3 + grace))" \
    --timer-property=AccuracySec=1s --timer-property=IgnoreOnIsolate=yes \
    -p IgnoreOnIsolate=yes -p SyslogIdentifier="spinet-guard-$id" /bin/sh "$0" rescue "$id" 9>&- ||
    die 1 "The rescue timer could not be set."
  if ! activate; then
    if [ "$switch_exit" = 100 ] && [ "$(running)" = "$old" ]; then
      reason="Nothing was activated: the new system needs a restart of the host (exit 100)."
      finish undone
    else
      undo "$reason"
    fi
  elif [ "$mode" = test ]; then
    finish tested
  else
    commit
  fi
  systemctl stop "spinet-rescue-$id.timer" 2>/dev/null || :
}

cmd_rescue() { # ID
  exec 9>"$run/lock"
  flock 9
  if load && [ "$id" = "$1" ]; then settle; fi
}

# --- what a client asks ---------------------------------------------------------------------------------------

protect() {
  mkdir -p "$roots"
  find "$roots" -type l -mtime +7 -exec rm -f {} +
  ln -sfn "$new" "$roots/$id-new"
  ln -sfn "$(known_good)" "$roots/$id-old"
  if [ -e "$system" ]; then ln -sfn "$(profile_path)" "$roots/$id-profile"; fi
}

guard_alive() { ! (flock -n 9) 9>"$run/lock"; }

cmd_start() { # ID NEW SECONDS MODE PEER
  is_system "$2" || die 1 "$2 is no NixOS system: it has no bin/switch-to-configuration."
  if guard_alive && load; then
    echo "refused=$id"
    return 3
  fi
  systemd-run --quiet --collect --unit="spinet-guard-$1" --service-type=exec -p IgnoreOnIsolate=yes \
    -p SyslogIdentifier="spinet-guard-$1" /bin/sh "$0" run "$1" "$2" "$3" "$4" "$5"
  last=$(($(uptime_now) + undo_limit))
  while [ "$(uptime_now)" -lt "$last" ]; do
    if [ -s "$run/refused-$1" ]; then
      printf 'refused=%s\n' "$(cat "$run/refused-$1")"
      rm -f "$run/refused-$1"
      return 3
    fi
    if load && [ "$id" = "$1" ]; then echo "started=$1"; return 0; fi
    systemctl --quiet is-active "spinet-guard-$1" || { load && [ "$id" = "$1" ]; } || [ -e "$run/refused-$1" ] ||
      die 1 "The guard ended before it began: see \`journalctl -t spinet-guard-$1\` on the host."
    sleep 0.1
  done
  return 5
}

# Waits for the end of an attempt and takes it over if its guard is gone.
await() { # ID WANTED-PHASES
  last=$(($(uptime_now) + commit_limit + undo_limit))
  while load && [ "$id" = "$1" ] && ! is_final "$phase"; do
    [ "$(uptime_now)" -lt "$last" ] || return 5
    if ! guard_alive && load && ! is_final "$phase"; then
      systemd-run --quiet --collect --wait -p IgnoreOnIsolate=yes -p SyslogIdentifier="spinet-guard-$1" \
        /bin/sh "$0" rescue "$1" || return 1
    fi
    sleep 0.2
  done
  [ "$id" = "$1" ] || die 4 "Another attempt ($id) came after $1."
  print_state
  case " $2 " in *" $phase "*) return 0 ;; esac
  [ "$phase" != failed ] || return 1
  return 4
}

cmd_confirm() { # ID
  mv "$run/token-$1" "$run/confirmed-$1" 2>/dev/null || :
  await "$1" "committed tested"
}

cmd_undo() { # ID
  load || die 4 "There is no attempt on this host."
  if [ "$id" = "$1" ] && ! is_final "$phase"; then : >"$run/undo-$1"; fi
  await "$1" "undone"
}

cmd_status() {
  if load; then print_state; fi
  if guard_alive; then echo guard=alive; else echo guard=none; fi
  printf '%s=%s\n' now "$(uptime_now)" boot_now "$(boot_id)" current "$(running)" \
    profile_now "$(profile_path)" entry_now "$(boot_entry)" booted "$(readlink -f /run/booted-system || :)" \
    confirmed "$(cat "$kept/confirmed" 2>/dev/null || :)" previous "$(cat "$kept/previous" 2>/dev/null || :)" \
    failed_now "$(failed_units)" newly_failed "$(newly_failed)" end status
}

cmd_follow() { # ID
  pipe=$(mktemp -u "$run/follow.XXXXXX")
  mkfifo -m 600 "$pipe"
  journalctl --no-pager --quiet --follow --lines=all --output=cat --identifier="spinet-guard-$1" >"$pipe" &
  reader=$!
  exec 8<"$pipe"
  rm -f "$pipe"
  while IFS= read -r line <&8; do
    if [ "$line" = "spinet-end $1" ]; then break; fi
    printf '%s\n' "$line"
  done
  kill "$reader" 2>/dev/null || :
}

usage() { die 2 "Usage: guard.sh protect|start|confirm|undo|seen|status|follow|settle [ID] .."; }

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
  status | settle) [ $# -eq 0 ] || usage ;;
  *)
    [ $# -ge 1 ] || usage
    case $1 in "" | *[!0-9A-Za-z-]*) die 2 "The attempt id may hold letters, digits and hyphens only." ;; esac
    ;;
esac
case $command in start | run) [ $# -ge 4 ] || usage; case $3 in *[!0-9]*) usage ;; esac; case $4 in switch | test | boot) ;; *) usage ;; esac ;; esac
mkdir -p "$run" "$kept"
case $command in
  protect) [ $# -eq 2 ] || usage; id=$1 new=$2; protect ;;
  start | run) "cmd_$command" "$1" "$2" "$3" "$4" "${5:-}" ;;
  confirm | undo | follow | rescue) "cmd_$command" "$1" ;;
  seen) : >"$run/seen-$1" ;;
  status) cmd_status ;;
  settle) exec 9>"$run/lock"; flock -n 9 || { load || :; echo "refused=$id"; exit 3; }; settle ;;
  *) usage ;;
esac
