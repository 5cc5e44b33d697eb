#!/bin/sh
# example-keys.sh REFUSER EXAMPLES: an image that trusts a published example key is not built.
set -eu

refuser=$1
examples=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}
refuse() { sh "$refuser" "$examples" "$work/keys" 2>"$work/messages"; }

own='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMyOwnKeyThatNobodyElseHasThePrivateHalfOfAtAll me@home'
echo "$own" >"$work/keys"
refuse || fail "A key of one's own was refused."

grep '^ssh-' "$examples" >"$work/examples"
[ -s "$work/examples" ] || fail "There are no example keys."
while read -r type key _; do
    for line in "$type $key" "$type $key someone@else" "restrict,pty $type $key" "$type  $key"; do
        printf '%s\n%s\n' "$own" "$line" >"$work/keys"
        if refuse; then fail "Not refused: $line"; fi
        grep -q 'published example key' "$work/messages" || fail "The reason is not said: $line"
    done
done <"$work/examples"
