#!/bin/sh
# install-wifi-profiles FOLDER SECRET..
#
# Copies decrypted wifi profiles into iwd's folder. The first line of a secret names the file:
# "# iwd: Home Network.psk". A secret that is missing, empty or without such a line changes
# nothing: the profile that is there stays. Fails at the end if any secret could not be used.
set -eu

umask 077
folder=$1
shift
failed=0
new=

trap 'if [ -n "$new" ]; then rm -f -- "$new"; fi' EXIT

keep() {
    echo "The wifi profiles in $folder stay as they are: $1" >&2
    failed=1
}

# iwd's own naming: the network's name if it is plain, else "=" and its bytes in hex.
is_profile_name() {
    [ "${#1}" -le 80 ] &&
        printf '%s' "$1" | LC_ALL=C grep -Eqx '([A-Za-z0-9 _-]{1,32}|=([0-9a-f]{2}){1,32})\.(psk|open|8021x)'
}

for secret in "$@"; do
    if ! [ -f "$secret" ] || ! [ -s "$secret" ]; then
        keep "$secret is missing or empty; can this host decrypt it?"
        continue
    fi
    first=
    IFS= read -r first <"$secret" || true
    name=${first#"# iwd: "}
    if [ "$name" = "$first" ] || ! is_profile_name "$name"; then
        keep "the first line of $secret is not of the form '# iwd: NAME.psk'."
        continue
    fi
    if ! grep -q '^\[' "$secret"; then
        keep "$secret holds no profile after its first line."
        continue
    fi
    # iwd reads only names that end in a known type, so it never sees the half-written file.
    new=$(mktemp "$folder/.spinet.XXXXXX")
    if ! cat -- "$secret" >"$new" || ! sync "$new" || ! mv -f -- "$new" "$folder/$name"; then
        keep "$secret could not be copied."
        rm -f -- "$new"
    fi
    new=
done

exit "$failed"
