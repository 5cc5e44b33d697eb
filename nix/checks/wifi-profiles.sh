#!/bin/sh
# wifi-profiles.sh INSTALLER: a profile that works is never replaced by one that does not.
set -eu

installer=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/iwd
mkdir "$folder"

fail() {
    echo "$1" >&2
    exit 1
}
install() { sh "$installer" "$folder" "$@" 2>"$work/messages"; }
refused() {
    if install "$@"; then fail "$1 was accepted."; fi
    [ "$(cat "$folder/Home Net.psk")" = "$good" ] || fail "$1 changed the profile that works."
    [ "$(find "$folder" -type f | wc -l)" = 1 ] || fail "$1 left a file behind."
}
profile() { printf '# iwd: %s\n[Security]\nPassphrase=%s\n' "$1" "$2"; }

good=$(profile 'Home Net.psk' 'correct horse')
profile 'Home Net.psk' 'correct horse' >"$work/good"
install "$work/good" || fail "A good profile was refused: $(cat "$work/messages")"
[ "$(cat "$folder/Home Net.psk")" = "$good" ] || fail "The profile was not copied."
[ "$(stat -c %a "$folder/Home Net.psk")" = 600 ] || fail "The profile can be read by others."

refused "$work/missing"
: >"$work/empty"
refused "$work/empty"
mkdir "$work/directory"
refused "$work/directory"
printf '[Security]\nPassphrase=secret words\n' >"$work/nameless"
refused "$work/nameless"
printf '# iwd: Home Net.psk\n' >"$work/hollow"
refused "$work/hollow"
for name in ../evil.psk /etc/evil.psk .hidden.psk a/b.psk Home.conf '=f0g.psk' =F0.psk '.psk' 'café.psk' \
    abcdefghijklmnopqrstuvwxyz1234567.psk; do
    profile "$name" 'secret words' >"$work/named"
    refused "$work/named"
done
printf '# iwd: Home Net.psk\r\n[Security]\nPassphrase=secret words\n' >"$work/dos"
refused "$work/dos"
if grep -q 'secret words' "$work/messages"; then fail "A message shows the passphrase."; fi

# One secret that did not decrypt keeps no other network away.
profile '=f09f98.psk' 'other words' >"$work/other"
if install "$work/missing" "$work/other"; then fail "A missing secret was not reported."; fi
[ -s "$folder/=f09f98.psk" ] || fail "A good profile after a missing one was not copied."

profile 'Home Net.psk' 'new words' >"$work/good"
install "$work/good" || fail "A changed profile was refused."
grep -q 'new words' "$folder/Home Net.psk" || fail "A changed profile was not copied."
