# --- undo and commit ----------------------------------------------------------------------------------------

# Profile and boot entry as they were before the attempt.
restore_permanent() {
  restored=0
  if [ -z "$profile" ]; then
    # there was none before the attempt
    if [ -L "$system" ]; then rm -f "${system%/*}/$(readlink "$system")" "$system" || restored=1; fi
  elif [ "$(readlink "$system" || :)" != "$profile" ]; then
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

# Without an activation of the former system: none is to be undone, or a restart does it. Leaves the $verdict.
take_back() { # REASON
  reason=$1 verdict=undone
  restore_permanent || verdict=failed
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

# Profile and boot entry name the new system, read back; says why in $problem when not.
make_permanent() {
  problem=
  # nix does not flush store paths by itself: a power cut must not leave empty files in what boots next
  sync -f /nix/store || :
  if ! timeout -k 5 "$commit_limit" nix-env -p "$system" --set "$new" 9>&-; then
    problem="nix-env could not set the system profile."
  elif ! timeout -k 5 "$commit_limit" "$runs/bin/switch-to-configuration" boot 9>&-; then
    problem="The boot entry could not be written."
  elif [ "$(profile_path)" != "$new" ]; then
    problem="The system profile does not name the new system."
  else
    case $(boot_entry) in "" | "$new" | "$runs") ;; *) problem="The boot entry does not name the new system." ;; esac
  fi
  [ -n "$problem" ] || sync
}

commit() {
  enter committing
  make_permanent
  if [ -n "$problem" ]; then
    undo "$problem"
    return 0
  fi
  remember
  finish committed
}

# For the next start only: nothing is activated, so nothing is undone but profile and boot entry.
commit_boot() {
  enter committing
  make_permanent
  if [ -n "$problem" ]; then
    take_back "$problem"
    finish "$verdict"
    return 0
  fi
  echo "$new" | put "$kept/permanent" || :
  finish committed
}

# The new system ran and was confirmed. The history lets a rollback go further back each time.
remember() {
  echo "$new" | put "$kept/permanent" || :
  echo "$runs" | put "$kept/confirmed" || :
  [ -s "$kept/history" ] || echo "$old" | put "$kept/history" || return 0
  if [ "$(tail -n 1 "$kept/history")" = "$new" ]; then return 0; fi
  if [ "$(previous)" = "$new" ]; then
    sed '$d' "$kept/history" | put "$kept/history" || :
  else
    { tail -n 19 "$kept/history"; echo "$new"; } | put "$kept/history" || :
  fi
}

# The confirmed system before the last one.
previous() { tail -n 2 "$kept/history" 2>/dev/null | { read -r first && read -r _ && echo "$first"; } || :; }

# Ends an attempt that nobody looks after any more. Called with the lock held.
settle() {
  load || return 0
  if is_final "$phase"; then return 0; fi
  say "Settling attempt $id, which was left while $phase."
  if [ "$boot" = "$(boot_id)" ]; then
    if [ "$mode" = boot ] || [ "$phase" = rebooting ]; then
      take_back "The guard was killed while $phase."
      finish "$verdict"
    elif [ "$phase" = committing ] || { [ -e "$run/confirmed-$id" ] && [ "$mode" != test ]; }; then
      commit
    elif [ "$phase" = waiting ] && [ "$mode" = test ] && [ -e "$run/confirmed-$id" ]; then
      finish tested
    elif [ "$mode" = reboot ]; then
      mv "$run/token-$id" "$run/given-up-$id" 2>/dev/null || :
      take_back "The guard was killed before anybody confirmed."
      restart
    else
      mv "$run/token-$id" "$run/given-up-$id" 2>/dev/null || :
      undo "${reason:-The guard was killed before anybody confirmed.}"
    fi
  elif [ "$phase" = committing ] && [ "$mode" != boot ] && { [ "$(boot_entry)" = "$runs" ] || [ "$(running)" = "$runs" ]; }; then
    # it was confirmed, and the host already boots it
    boot=$(boot_id)
    commit
  elif [ "$mode" = boot ] && [ "$(running)" = "$runs" ]; then
    boot=$(boot_id)
    commit_boot
  elif [ "$mode" = reboot ] && [ "$(running)" = "$runs" ]; then
    boot=$(boot_id)
    take_back "The host restarted into the new system, and nobody confirmed it."
    restart
  else
    take_back "The host restarted while $phase."
    finish "$verdict"
  fi
}

