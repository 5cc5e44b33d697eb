#!/bin/bash
# switch-to-configuration switch|boot|test|dry-activate, with the order and the exit codes of NixOS:
# 1 refused or no boot loader, 2 activation had failures, 4 units failed, 100 nothing was activated.
set -u
toplevel=@toplevel@
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
action=${1:-}
case $action in
  switch | boot | test | dry-activate) ;;
  *)
    echo "Usage: $0 [switch|boot|test|dry-activate]" >&2
    exit 1
    ;;
esac
if [ ! -e /etc/NIXOS ]; then
  echo "This is not a NixOS installation!" >&2
  exit 1
fi

mkdir -p /run/nixos
exec 9> /run/nixos/switch-to-configuration.lock
if ! flock -n 9; then
  echo "Could not acquire lock: another switch is running." >&2
  exit 1
fi

if [ "$action" = switch ] || [ "$action" = boot ]; then
  "@installBootLoader@" "$toplevel" || {
    echo "Failed to install bootloader" >&2
    exit 1
  }
  sync
fi
if [ "$action" = boot ]; then exit 0; fi

if ! cmp -s "$toplevel/init-interface-version" /run/current-system/init-interface-version; then
  echo "Warning: the new NixOS configuration has an ‘init’ that is incompatible with the current configuration. The new configuration won't take effect until you reboot the system." >&2
  exit 100
fi

old=$(readlink -f /etc/systemd/system)
new=$(readlink -f "$toplevel/etc/systemd/system")
# A unit that the running configuration does not know is none of our business (transient and Debian's own units).
stop=() start=() restart=() reload=() skipped=()
has() { grep -q "^X-$2=$3\$" "$1"; }

sort_units() {
  local unit before after
  while read -r unit; do
    before=$old/$unit after=$new/$unit
    # Instances have the file of their template.
    if [ ! -e "$before" ] && [[ $unit = *@* ]]; then before=$old/${unit%%@*}@.${unit##*.} after=$new/${unit%%@*}@.${unit##*.}; fi
    [ -e "$before" ] || continue
    # the very same file, which no program need be started to see
    [ ! "$before" -ef "$after" ] || continue
    if [ ! -e "$after" ] || [ "$(readlink -f "$after")" = /dev/null ]; then
      stop+=("$unit")
    elif cmp -s "$before" "$after"; then
      :
    elif [[ $unit != *.service && $unit != *.socket && $unit != *.timer && $unit != *.path ]]; then
      :
    elif has "$after" ReloadIfChanged true || only_reload_triggers_differ "$before" "$after"; then
      reload+=("$unit")
    elif has "$after" RestartIfChanged false; then
      skipped+=("$unit")
    elif [[ $unit = *.service ]] && has "$after" StopIfChanged false; then
      restart+=("$unit")
    else
      stop+=("$unit")
      start+=("$unit")
    fi
  done < <(systemctl list-units --plain --no-legend --full --state=active,activating,reloading | cut -d' ' -f1)
}

only_reload_triggers_differ() {
  cmp -s <(grep -v '^X-Reload-Triggers=' "$1") <(grep -v '^X-Reload-Triggers=' "$2")
}

failed_units() { systemctl list-units --plain --no-legend --full --state=failed,auto-restart | cut -d' ' -f1 | sort; }
listed() { printf '%s\n' "$@" | sort | paste -sd ' ' | sed 's/ /, /g'; }

sort_units
if [ "$action" = dry-activate ]; then
  [ ${#stop[@]} = 0 ] || echo "would stop the following units: $(listed "${stop[@]}")" >&2
  echo "would activate the configuration..." >&2
  [ ${#reload[@]} = 0 ] || echo "would reload the following units: $(listed "${reload[@]}")" >&2
  [ ${#restart[@]} = 0 ] || echo "would restart the following units: $(listed "${restart[@]}")" >&2
  [ ${#start[@]} = 0 ] || echo "would start the following units: $(listed "${start[@]}")" >&2
  exit 0
fi

logger -t nixos "switching to system configuration $toplevel" 2> /dev/null || true
if [ ${#stop[@]} != 0 ]; then
  echo "stopping the following units: $(listed "${stop[@]}")" >&2
  systemctl stop -- "${stop[@]}"
fi
if [ ${#skipped[@]} != 0 ]; then echo "NOT restarting the following changed units: $(listed "${skipped[@]}")" >&2; fi

echo "activating the configuration..." >&2
status=0
"$toplevel/activate" "$toplevel" || status=2

systemctl reset-failed
systemctl daemon-reload || status=3
if [ ${#reload[@]} != 0 ]; then
  echo "reloading the following units: $(listed "${reload[@]}")" >&2
  systemctl reload -- "${reload[@]}" || status=4
fi
if [ ${#restart[@]} != 0 ]; then
  echo "restarting the following units: $(listed "${restart[@]}")" >&2
  systemctl restart -- "${restart[@]}" || status=4
fi
# The active targets that may be started by hand are started again, which starts what is new in them.
units=/usr/lib/systemd/system
by_systemd=$(cd "$units" && grep -ls '^RefuseManualStart=\(yes\|true\)' -- *.target)
targets=()
while read -r unit _; do
  case $'\n'$by_systemd$'\n' in *$'\n'"$unit"$'\n'*) ;; *) targets+=("$unit") ;; esac
done < <(systemctl list-units --plain --no-legend --full --type=target --state=active)
if [ ${#start[@]} != 0 ]; then echo "starting the following units: $(listed "${start[@]}")" >&2; fi
systemctl start -- "${targets[@]}" "${start[@]}" || status=4

failed=$(failed_units)
if [ -n "$failed" ]; then
  # shellcheck disable=SC2086 # one word for each unit
  echo "warning: the following units failed: $(listed $failed)" >&2
  # shellcheck disable=SC2086
  systemctl status --no-pager --full -- $failed >&2
  status=4
fi
if [ "$status" = 0 ]; then
  logger -t nixos "finished switching to system configuration $toplevel" 2> /dev/null || true
else
  logger -t nixos "switching to system configuration $toplevel failed (status $status)" 2> /dev/null || true
fi
exit "$status"
