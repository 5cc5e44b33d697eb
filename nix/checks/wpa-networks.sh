#!/bin/sh
# wpa-networks.sh INSTALLER: wpa_supplicant gets the networks of iwd's profiles, and keeps what works. Where
# wpa_supplicant is there, it reads what was made.
set -eu

installer=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
conf=$work/wifi/wpa_supplicant.conf
mkdir "$work/wifi"

fail() {
    echo "$1" >&2
    exit 1
}
install() { sh "$installer" "$conf" "$@" 2>"$work/messages"; }
# profile NAME LINE..: makes the secret $work/NAME of these lines.
profile() {
    secret=$work/$1
    shift
    printf '%s\n' "$@" >"$secret"
}
# has LINE..: the configuration holds exactly these lines, indented or not.
has() {
    printf '%s\n' "$@" >"$work/expected"
    sed 's/^\t//' "$conf" | diff "$work/expected" - >&2 || fail "This is not the configuration expected."
}
home='ssid=486f6d65204e6574'
block() {
    printf 'network={\n'
    printf '%s\n' "$@"
    printf '}\n'
}

# Without any secret there is a file to start with.
if install "$work/missing"; then fail "A missing secret was not reported."; fi
if ! [ -f "$conf" ] || [ -s "$conf" ]; then fail "There is no empty file to start with."; fi

profile home '# iwd: Home Net.psk' '[Security]' 'Passphrase=it\sis "\\" #1' 'Passphrase=not this one' \
    "PreSharedKey=$(printf 'ab%.0s' $(seq 32))"
install "$work/home" || fail "A good profile was refused: $(cat "$work/messages")"
mixed=$(block "$home" 'key_mgmt=SAE WPA-PSK WPA-PSK-SHA256' ieee80211w=1 'psk="it is "\" #1"' priority=1)
plain=$(block "$home" 'key_mgmt=WPA-PSK WPA-PSK-SHA256' 'psk="it is "\" #1"')
has "$mixed" "$plain"
[ "$(stat -c %A "$conf" | cut -c 8-)" = --- ] || fail "The passphrase can be read by others."

# What cannot be used changes nothing.
cp "$conf" "$work/good"
refused() {
    if install "$work/home"; then fail "Accepted: $1"; fi
    cmp -s "$conf" "$work/good" || fail "It changed the network that works: $1"
    grep -q "$2" "$work/messages" || fail "Not the reason: $(cat "$work/messages")"
    if grep -q 'hunter' "$work/messages"; then fail "A message shows the passphrase."; fi
}
cp "$work/home" "$work/kept"
: >"$work/home"
refused "an empty secret" "missing or empty"
profile home '[Security]' 'Passphrase=hunter2hunter2'
refused "no name" "first line"
profile home '# iwd: ../evil.psk' '[Security]' 'Passphrase=hunter2hunter2'
refused "a path for a name" "first line"
profile home '# iwd: Home Net.psk' '[Settings]' 'Passphrase=hunter2hunter2'
refused "a passphrase in another group" "neither a Passphrase"
profile home '# iwd: Home Net.psk' '[Security]' 'Passphrase=hunter'
refused "a short passphrase" "8 to 63"
profile home '# iwd: Home Net.psk' '[Security]' 'Passphrase=hunter2\thunter2'
refused "a tab in a passphrase" "8 to 63"
profile home '# iwd: Home Net.psk' '[Security]' 'PreSharedKey=hunter2hunter2'
refused "a key that is none" "neither a Passphrase"
profile home '# iwd: work.8021x' '[Security]' 'EAP-Method=TTLS' 'EAP-Password=hunter2hunter2'
refused "an enterprise network" "must be iwd"

# One that did not decrypt keeps no other away, and one that is not named any more goes.
key=$(printf '0F%.0s' $(seq 32))
profile key '# iwd: =e29895.psk' '' ' [Security] ' "  PreSharedKey = $key" '[Settings]' 'Hidden=true'
profile open '# iwd: Cafe.open' '[Settings]' 'AutoConnect=true'
profile wpa3 '# iwd: W3.psk' '[Security]' 'Passphrase=correct horse' '[Settings]' 'TransitionDisable=true' \
    'DisabledTransitionModes=personal'
rm "$work/home"
if install "$work/home" "$work/key" "$work/open" "$work/wpa3"; then fail "A missing secret was not reported."; fi
hidden=$(block ssid=e29895 scan_ssid=1 'key_mgmt=WPA-PSK WPA-PSK-SHA256' "psk=$key")
open=$(block ssid=43616665 key_mgmt=NONE)
wpa3=$(block ssid=5733 key_mgmt=SAE ieee80211w=2 'sae_password="correct horse"')
has "$mixed" "$plain" "$hidden" "$open" "$wpa3"
install "$work/open" || fail "A good profile was refused."
has "$open"
cp "$work/kept" "$work/home"
install "$work/home" "$work/key" "$work/open" "$work/wpa3" || fail "The good profiles were refused."
has "$mixed" "$plain" "$hidden" "$open" "$wpa3"
[ -z "$(find "$work/wifi" -name '*.[A-Za-z0-9]*.??????' -o -name '.new.*')" ] || fail "A file was left behind."

# The daemon itself: it reads the file, and then finds that there is no such radio.
if command -v wpa_supplicant >/dev/null; then
    wpa_supplicant -dd -i none0 -D wired -c "$conf" >"$work/log" 2>&1 || true
    if grep -q 'Line .*: \|Failed to read' "$work/log"; then fail "wpa_supplicant: $(cat "$work/log")"; fi
    [ "$(grep -c 'Line: .* - start of a new network block' "$work/log")" = 5 ] ||
        fail "wpa_supplicant did not read five networks: $(cat "$work/log")"
fi
