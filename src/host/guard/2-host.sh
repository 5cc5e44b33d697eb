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
    while read -r unit _; do case $unit in spinet-guard-* | spinet-rescue-* | spinet-resume*) ;; *) printf '%s ' "$unit" ;; esac; done
}

# Units that fail now and did not before the attempt. Takes what fails now, if that is known already.
newly_failed() { # [UNITS]
  for unit in ${1-$(failed_units)}; do
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
  # a link-local address means something on its interface only, and ip wants that apart
  case $1 in *%*) device=${1#*%} ;; *) device= ;; esac
  # shellcheck disable=SC2016 # bash expands it, for its /dev/tcp
  timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && read -r line <&3 && [ "${line#SSH-}" != "$line" ]' "$3" "$4" 2>/dev/null &&
    ip route get "${1%%\%*}" ${device:+dev "$device"} >/dev/null 2>&1
}


# Whether nothing but radios connects this host: a cable that carries something is another way in.
only_wifi() { # FOLDER OF THE INTERFACES
  radio=no
  for interface in "$1"/*; do
    # virtual ones have no device
    if [ ! -e "$interface/device" ] || [ "$(cat "$interface/carrier" 2>/dev/null || echo 0)" != 1 ]; then continue; fi
    if [ ! -e "$interface/phy80211" ] && [ ! -e "$interface/wireless" ]; then return 1; fi
    radio=yes
  done
  [ "$radio" = yes ]
}
