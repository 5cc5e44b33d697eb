#!/bin/sh
# What can ail a board, as KEY=VALUE lines. Changes nothing; what the host lacks or does not know has no line.
set -u
export LC_ALL=C
PATH=/run/current-system/sw/bin:/run/wrappers/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

tell() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
content() { cat "$1" 2>/dev/null; }

tell clock "$(date +%s)"
tell clock_synchronized "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)"
read -r uptime _ </proc/uptime
tell uptime "${uptime%%.*}"

# room: bytes in KiB and inodes, of the file systems that fill up
seen=
for place in / /nix /boot; do
  # each file system once
  device=$(stat -c %d "$place" 2>/dev/null) || continue
  case " $seen " in *" $device "*) continue ;; esac
  seen="$seen $device"
  # shellcheck disable=SC2046 # columns
  set -- $(df -Pk "$place" 2>/dev/null | tail -n 1)
  inodes=$(df -Pi "$place" 2>/dev/null | tail -n 1 | { read -r _ all _ free _ && echo "$all $free"; })
  [ $# -lt 4 ] || tell "room $place" "$2 $4 $inodes"
done
tell journal_kib "$(du -sk /var/log/journal 2>/dev/null | { read -r size _ && echo "$size"; })"

while read -r key value _; do
  case $key in SwapTotal:) tell swap_kib "$value" ;; esac
done </proc/meminfo

# the root file system
while read -r device place kind options _; do
  [ "$place" = / ] || continue
  root=$device
  tell root_kind "$kind"
  case ,$options, in *,ro,*) tell root_mode ro ;; *) tell root_mode rw ;; esac
done </proc/mounts
named=$(while read -r device place _; do
  [ "$place" != / ] || echo "$device"
done 2>/dev/null </etc/fstab | tail -n 1)
case $named in LABEL=*) named=/dev/disk/by-label/${named#LABEL=} ;; UUID=*) named=/dev/disk/by-uuid/${named#UUID=} ;; esac
case $named in
  /dev/*)
    tell root_named "$named"
    tell root_meant "$(readlink -e "$named")"
    [ ! -b "${root:-}" ] || tell root_device "$(readlink -e "$root")"
    ;;
esac
errors=0
for file in /sys/fs/ext4/*/errors_count; do
  [ ! -r "$file" ] || errors=$((errors + $(content "$file")))
done
tell ext4_errors "$errors"

# the board: the firmware's own word, and what the kernel's driver saw
throttled=$(vcgencmd get_throttled 2>/dev/null)
[ -n "$throttled" ] || throttled=$(content /sys/devices/platform/soc/soc:firmware/get_throttled)
tell throttled "${throttled#throttled=}"
for monitor in /sys/class/hwmon/hwmon*; do
  [ "$(content "$monitor/name")" != rpi_volt ] || tell under_voltage_now "$(content "$monitor/in0_lcrit_alarm")"
done
tell millidegrees "$(content /sys/class/thermal/thermal_zone0/temp)"
kernel_log=$(journalctl -k -b -q --no-pager -o cat 2>/dev/null || dmesg 2>/dev/null)
tell under_voltage_seen "$(printf '%s\n' "$kernel_log" | grep -c 'Undervoltage detected')"
tell wifi_error "$(printf '%s\n' "$kernel_log" | grep 'brcmfmac.*\(failed\|error\)' | tail -n 1)"
for link in /sys/class/net/wl*; do
  [ ! -e "$link" ] || tell "wifi ${link##*/}" "$(content "$link/operstate")"
done

# systems
tell generations "$(find /nix/var/nix/profiles -maxdepth 1 -name 'system-*-link' 2>/dev/null | wc -l)"
tell booted_kernel "$(readlink -f /run/booted-system/kernel)"
tell current_kernel "$(readlink -f /run/current-system/kernel)"

# who gets in, and who may copy
settings=$(sshd -T -C user=root,host=localhost,addr=127.0.0.1 2>/dev/null)
tell password_logins "$(printf '%s\n' "$settings" | sed -n 's/^passwordauthentication //p')"
tell nix_trusts "$(nix --extra-experimental-features nix-command config show trusted-users 2>/dev/null ||
  nix --extra-experimental-features nix-command show-config 2>/dev/null | sed -n 's/^trusted-users = //p')"
tell groups "$(id -Gn "${SUDO_USER:-root}" 2>/dev/null)"
echo end=facts
