#!/bin/sh
# install-wpa-networks FILE SECRET..
#
# Makes wpa_supplicant's configuration FILE of decrypted wifi profiles in iwd's format. The first line of a secret names
# the network: "# iwd: Home Network.psk". A secret that cannot be used keeps the network it gave before, which is in
# FILE.d; FILE is there in any case, because wpa_supplicant does not start without it. Fails at the end if any secret
# could not be used.
#
# A network is written as wpa_supplicant.conf(5) has it: the name in hexadecimal, the passphrase between double quotes,
# which may hold any character but a line break.
set -eu

umask 077
file=$1
parts=$file.d
shift
failed=0
new=

trap 'if [ -n "$new" ]; then rm -f -- "$new"; fi' EXIT

keep() {
    echo "The network of an earlier start stays, if there is one: $1" >&2
    failed=1
}

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# value_of GROUP KEY FILE: as iwd reads it, the first value, without the white space before it.
value_of() {
    sed -n "/^[[:space:]]*\[$1\][[:space:]]*\$/,/^[[:space:]]*\[/s/^[[:space:]]*$2[[:space:]]*=[[:space:]]*//p" "$3" |
        head -n 1
}

# Undoes the escapes \s and \\ of iwd's values, into `value`. Tabs and line breaks are in no passphrase.
unescape() {
    rest=$1
    value=
    while [ -n "$rest" ]; do
        case $rest in
            [\\]s*) value="$value " ;;
            [\\][\\]*) value="$value\\" ;;
            [\\]*) return 1 ;;
            *)
                value=$value${rest%"${rest#?}"}
                rest=${rest#?}
                continue
                ;;
        esac
        rest=${rest#??}
    done
}

# network NAME FILE: prints the network of a profile, or fails with the reason in `reason`.
network() {
    kind=${1##*.}
    case $1 in
        =*) ssid=$(printf '%s' "$1" | sed 's/^=//; s/\..*//') ;;
        *) ssid=$(hex "${1%.*}") ;;
    esac
    hidden=
    case $(value_of Settings Hidden "$2") in
        true* | 1*) hidden='scan_ssid=1' ;;
    esac
    case $kind in
        open)
            block key_mgmt=NONE
            return
            ;;
        8021x)
            reason="it is an enterprise network (802.1x), for which spinet.wifi.backend must be iwd"
            return 1
            ;;
    esac

    passphrase=$(value_of Security Passphrase "$2")
    psk=$(value_of Security PreSharedKey "$2")
    if [ -n "$passphrase" ]; then
        if ! unescape "$passphrase" || [ "${#value}" -lt 8 ] || [ "${#value}" -gt 63 ]; then
            reason="its passphrase is not one of 8 to 63 characters"
            return 1
        fi
        case $(value_of Settings TransitionDisable "$2") in
            true* | 1*)
                block key_mgmt=SAE ieee80211w=2 "sae_password=\"$value\""
                return
                ;;
        esac
        # WPA3 where the radio can do it; without protected management frames, which are off unless asked for, it joins
        # nothing that takes WPA3 alone. Radios that cannot join nothing that asks for both, hence the second.
        block 'key_mgmt=SAE WPA-PSK WPA-PSK-SHA256' ieee80211w=1 "psk=\"$value\"" priority=1
        block 'key_mgmt=WPA-PSK WPA-PSK-SHA256' "psk=\"$value\""
    elif printf '%s' "$psk" | LC_ALL=C grep -Eqx '[0-9A-Fa-f]{64}[[:space:]]*'; then
        block 'key_mgmt=WPA-PSK WPA-PSK-SHA256' "psk=$psk"
    else
        reason="it holds neither a Passphrase nor a PreSharedKey of 64 hexadecimal digits"
        return 1
    fi
}

# block LINE..: a network of the name in `ssid`.
block() {
    printf 'network={\n\tssid=%s\n' "$ssid"
    for line in ${hidden:+"$hidden"} "$@"; do printf '\t%s\n' "$line"; done
    printf '}\n'
}

# replace FILE: its new content is in `new`.
replace() {
    sync "$new"
    mv -f -- "$new" "$1"
    new=
}

mkdir -p "$parts"
for secret in "$@"; do
    part=$parts/$(basename "$secret")
    if ! [ -f "$secret" ] || ! [ -s "$secret" ]; then
        keep "$secret is missing or empty; can this host decrypt it?"
        continue
    fi
    first=
    IFS= read -r first <"$secret" || true
    name=${first#"# iwd: "}
    if [ "$name" = "$first" ] || ! printf '%s' "$name" |
        LC_ALL=C grep -Eqx '([A-Za-z0-9 _-]{1,32}|=([0-9a-f]{2}){1,32})\.(psk|open|8021x)'; then
        keep "the first line of $secret is not of the form '# iwd: NAME.psk'."
        continue
    fi
    new=$(mktemp "$parts/.new.XXXXXX")
    reason=
    if network "$name" "$secret" >"$new"; then
        replace "$part"
    else
        rm -f -- "$new"
        new=
        keep "$secret cannot be used: $reason."
    fi
done

# The daemon has a user of its own, who reads this file and nothing else here.
new=$(mktemp "$file.XXXXXX")
for secret in "$@"; do
    part=$parts/$(basename "$secret")
    if [ -f "$part" ]; then cat -- "$part" >>"$new"; fi
done
if grep -q '^wpa_supplicant:' /etc/group; then
    chgrp wpa_supplicant "$new" "$(dirname "$file")"
    chmod 0640 "$new"
    chmod 0750 "$(dirname "$file")"
fi
replace "$file"

exit "$failed"
