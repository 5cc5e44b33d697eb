# --- the attempt ----------------------------------------------------------------------------------------------

stop_switch() {
  # not waited for: a process stuck in the kernel must not hold up the undo; `-s` because dash reads `-KILL --` wrongly
  kill -s KILL -- "-$switch" 2>/dev/null || :
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
  setsid sh -c '"$0/bin/switch-to-configuration" test; echo $? >"$1.tmp"; mv "$1.tmp" "$1"' "$runs" "$run/exit-$id" 9>&- &
  switch=$!
  until [ -e "$run/exit-$id" ]; do
    if given_up "The switch did not end in time."; then return 1; fi
    sleep 0.2
  done
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
  elif [ "$(running)" != "$runs" ]; then
    reason="switch-to-configuration ended well, but the new system does not run."
    return 1
  fi
  wait_for_word
}

# Succeeds when somebody confirmed in time.
wait_for_word() {
  enter waiting
  : >"$run/token-$id"
  printf '%s\n' "spinet-waiting $id" | systemd-cat -t "spinet-guard-$id" || :
  until given_up "Nobody confirmed in time."; do
    if [ -e "$run/confirmed-$id" ]; then return 0; fi
    sleep 0.1
  done
  # one rename wins: this one, or the one that confirms
  if mv "$run/token-$id" "$run/given-up-$id" 2>/dev/null; then return 1; fi
  reason=
}

cmd_run() { # ID NEW SECONDS MODE PEER SPECIALISATION
  # from here on no unexpected failure may end the script: every step that matters is checked
  set +e
  exec 9>"$run/lock"
  if ! flock -w 2 9; then
    load || :
    echo "$id" >"$run/refused-$1"
    return 3
  fi
  # the client has given it up
  if [ -e "$run/withdrawn-$1" ]; then return 3; fi
  settle
  for field in $fields; do eval "$field="; done
  id=$1 new=$2 seconds=$3 mode=$4 peer=$5 boot=$(boot_id) phase=activating
  runs=$new
  if [ -n "$6" ]; then runs=$(readlink -f "$new/specialisation/$6"); fi
  old=$(known_good) || die 1 "There is no system to go back to: neither $system nor /run/current-system is one."
  # the tools of a system that is known to work
  PATH=$old/sw/bin:$PATH
  profile=$(readlink "$system" || :) entry=$(boot_entry) failed_before=$(failed_units)
  probe=no
  if reachable; then probe=yes; fi
  deadline=$(($(uptime_now) + seconds))
  protect
  # this way round: without room for those that are kept nothing begins, and the last would tell of a beginning
  { echo "$0" | put "$kept/pending" && print_state | put "$kept/state" && print_state | put "$run/state"; } || {
    rm -f "$kept/pending"
    die 1 "The state could not be written to $kept (is the disk full?)."
  }
  case $mode in
    boot) commit_boot; return 0 ;;
    reboot) into_new; return 0 ;;
  esac
  systemd-run --quiet --collect --unit="spinet-rescue-$id" --on-active="$((seconds + grace))" \
    --timer-property=AccuracySec=1s --timer-property=IgnoreOnIsolate=yes \
    -p IgnoreOnIsolate=yes -p SyslogIdentifier="spinet-guard-$id" /bin/sh "$0" rescue "$id" 9>&- ||
    die 1 "The rescue timer could not be set."
  if ! activate; then
    if [ "$switch_exit" = 100 ] && [ "$(running)" = "$old" ]; then
      reason="Nothing was activated: the new system needs a restart of the host (exit 100)."
      finish undone
    else
      stop_switch
      undo "$reason"
    fi
  elif [ "$mode" = test ]; then
    finish tested
  else
    commit
  fi
  systemctl stop "spinet-rescue-$id.timer" 2>/dev/null || :
}

# --- an attempt over a restart ----------------------------------------------------------------------------------

# The new system becomes what boots, and the host restarts. What looks after it then is `resume`: from a unit of the new
# system if it has spinet's module, else the client starts it. It also ends what a power cut left undecided.
into_new() {
  make_permanent
  if [ -n "$problem" ]; then
    take_back "$problem"
    finish "$verdict"
    return 0
  fi
  enter rebooting
  printf '%s\n' "spinet: restarting" "spinet-waiting $id" | systemd-cat -t "spinet-guard-$id" || :
  sync
  systemctl reboot
}

cmd_resume() {
  set +e
  exec 9>"$run/lock"
  # somebody looks after it
  flock -n 9 || return 0
  if ! load || is_final "$phase"; then rm -f "$kept/pending"; return 0; fi
  if [ "$mode" != reboot ]; then
    [ "$boot" = "$(boot_id)" ] || settle
    return 0
  fi
  # still on the way down
  [ "$boot" != "$(boot_id)" ] || [ "$phase" = waiting ] || return 0
  if [ "$(running)" != "$runs" ]; then
    take_back "The host did not boot the new system."
    finish "$verdict"
    return 0
  fi
  boot=$(boot_id) deadline=$(($(uptime_now) + seconds))
  failed_after=$(newly_failed)
  if wait_for_word; then
    remember
    finish committed
  else
    # another kernel runs: the way back is the way it came
    take_back "$reason"
    restart
  fi
}

cmd_awake() { # ID
  load && [ "$id" = "$1" ] && ! is_final "$phase" || return 0
  if guard_alive; then return 0; fi
  systemd-run --quiet --collect --unit="spinet-resume-$1" --service-type=exec -p IgnoreOnIsolate=yes \
    -p SyslogIdentifier="spinet-guard-$1" /bin/sh "$0" resume
}

cmd_rescue() { # ID
  set +e
  exec 9>"$run/lock"
  flock 9
  if load && [ "$id" = "$1" ]; then settle; fi
}

