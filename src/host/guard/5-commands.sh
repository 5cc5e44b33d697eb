# --- what a client asks ---------------------------------------------------------------------------------------

protect() {
  mkdir -p "$roots"
  find "$roots" -type l -mtime +7 -exec rm -f {} +
  ln -sfn "$new" "$roots/$id-new"
  ln -sfn "$(known_good)" "$roots/$id-old"
  if [ -e "$system" ]; then ln -sfn "$(profile_path)" "$roots/$id-profile"; fi
}

guard_alive() { ! (flock -n 9) 9>"$run/lock"; }

refused() { # ID HOLDER
  rm -f "$run/refused-$1"
  release "$1"
  echo "refused=$2"
}

# What was asked to start and has not begun yet never will. Says `withdrawn` once that is certain.
cmd_withdraw() { # ID
  : >"$run/withdrawn-$1"
  exec 9>"$run/lock"
  flock -w 2 9 || return 5
  if load && [ "$id" = "$1" ]; then return 4; fi
  release "$1"
  echo "withdrawn=$1"
}

release() { rm -f "$roots/$1-new" "$roots/$1-old" "$roots/$1-profile"; }

cmd_start() { # ID NEW SECONDS MODE PEER SPECIALISATION
  is_system "$2${6:+/specialisation/$6}" || die 1 "$2${6:+/specialisation/$6} is no NixOS system: it has no bin/switch-to-configuration."
  if guard_alive && load; then refused "$1" "$id"; return 3; fi
  systemd-run --quiet --collect --unit="spinet-guard-$1" --service-type=exec -p IgnoreOnIsolate=yes \
    -p SyslogIdentifier="spinet-guard-$1" /bin/sh "$0" run "$1" "$2" "$3" "$4" "$5" "$6"
  last=$(($(uptime_now) + undo_limit))
  while [ "$(uptime_now)" -lt "$last" ]; do
    if [ -s "$run/refused-$1" ]; then
      refused "$1" "$(cat "$run/refused-$1")"
      return 3
    fi
    if load && [ "$id" = "$1" ]; then echo "started=$1"; return 0; fi
    systemctl --quiet is-active "spinet-guard-$1" || { load && [ "$id" = "$1" ]; } || [ -e "$run/refused-$1" ] ||
      die 1 "The guard ended before it began: see \`journalctl -t spinet-guard-$1\` on the host."
    sleep 0.05
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
    sleep 0.1
  done
  [ "$id" = "$1" ] || die 4 "Another attempt ($id) came after $1."
  decided=$phase
  cmd_status
  phase=$decided
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

# How many copies were begun for attempts that never came to an end.
leftover() { find "$roots" -name '*-new' 2>/dev/null | wc -l; }

# The bytes and the inodes free in a file system.
free() { df "$1" "$2" | tail -n 1 | { read -r _ _ _ free _ && echo "$free"; } || :; }

cmd_status() {
  failing=$(failed_units)
  if load; then print_state; fi
  if guard_alive; then echo guard=alive; else echo guard=none; fi
  printf '%s=%s\n' now "$(uptime_now)" boot_now "$(boot_id)" current "$(running)" \
    profile_now "$(profile_path)" entry_now "$(boot_entry)" booted "$(readlink -f /run/booted-system || :)" \
    confirmed "$(cat "$kept/confirmed" 2>/dev/null || :)" permanent "$(cat "$kept/permanent" 2>/dev/null || :)" \
    previous "$(previous)" failed_now "$failing" newly_failed "$(newly_failed "$failing")" machine "$(uname -m)" \
    free_kib "$(free -Pk /nix/store)" free_inodes "$(free -Pi /nix/store)" leftover "$(leftover)"
  # only where kernels go to a file system of their own
  [ "$(stat -c %d /boot 2>/dev/null || :)" = "$(stat -c %d /)" ] || printf '%s=%s\n' boot_kib "$(free -Pk /boot)"
  while read -r key value _; do
    case $key in MemTotal:) echo "memory_kib=$value" ;; MemAvailable:) echo "available_kib=$value" ;; esac
  done </proc/meminfo
  # what a board has of these
  for fact in millidegrees:/sys/class/thermal/thermal_zone0/temp \
    throttled:/sys/devices/platform/soc/soc:firmware/get_throttled; do
    if { read -r value <"${fact#*:}"; } 2>/dev/null; then echo "${fact%%:*}=$value"; fi
  done
  if only_wifi /sys/class/net; then echo network=wifi; fi
  echo end=status
}

# The journal can lose a line; the state says it in the end. An attempt that never shows has no journal.
beats() { # ID
  late=0 absent=0
  while echo spinet-beat; do
    sleep 1
    if ! load || [ "$id" != "$1" ]; then
      absent=$((absent + 1))
    elif [ "$phase" = waiting ] || is_final "$phase"; then
      late=$((late + 1))
    fi
    if [ "$late" -ge 3 ]; then echo "spinet-waiting $1" || return 0; fi
    if [ "$absent" -ge 5 ]; then echo "spinet-absent $1" || return 0; fi
  done
}

# A line each second tells the client that the link is alive.
cmd_follow() { # ID
  pipe=$(mktemp -u "$run/follow.XXXXXX")
  mkfifo -m 600 "$pipe"
  # open at both ends before it loses its name; whoever writes into it ends when nobody reads any more
  exec 8<>"$pipe"
  exec 7>"$pipe"
  exec 6<"$pipe"
  rm -f "$pipe"
  exec 8<&-
  journalctl --no-pager --quiet --follow --lines=all --output=cat --identifier="spinet-guard-$1" >&7 6<&- 7>&- &
  reader=$!
  beats "$1" >&7 6<&- 7>&- &
  beat=$!
  exec 7>&-
  while IFS= read -r line <&6; do
    [ "$line" != "spinet-absent $1" ] || break
    printf '%s\n' "$line"
    case $line in "spinet-end $1" | "spinet-waiting $1") break ;; esac
  done
  kill "$reader" "$beat" 2>/dev/null || :
}

usage() { die 2 "Usage: guard.sh protect|release|start|confirm|undo|seen|status|follow|settle|awake|withdraw [ID] .."; }

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
  status | settle | resume) [ $# -eq 0 ] || usage ;;
  *)
    [ $# -ge 1 ] || usage
    case $1 in "" | *[!0-9A-Za-z-]*) die 2 "The attempt id may hold letters, digits and hyphens only." ;; esac
    ;;
esac
case $command in start | run) [ $# -ge 4 ] || usage; case $3 in *[!0-9]*) usage ;; esac; case ${6:-} in */* | .*) usage ;; esac; case $4 in switch | test | boot | reboot) ;; *) usage ;; esac ;; esac
mkdir -p "$run" "$kept"
case $command in
  protect) [ $# -eq 2 ] || usage; id=$1 new=$2; protect ;;
  start | run) "cmd_$command" "$1" "$2" "$3" "$4" "${5:-}" "${6:-}" ;;
  confirm | undo | follow | rescue | awake) "cmd_$command" "$1" ;;
  withdraw) cmd_withdraw "$1" ;;
  resume) cmd_resume ;;
  release) release "$1" ;;
  seen) : >"$run/seen-$1" ;;
  status) cmd_status ;;
  settle) set +e; exec 9>"$run/lock"; flock -n 9 || { load || :; echo "refused=$id"; exit 3; }; settle ;;
  *) usage ;;
esac
