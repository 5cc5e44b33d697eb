#!/bin/sh
# refuse-example-keys EXAMPLES KEYS
#
# Fails if an authorized key is one of the published example keys, whatever options or comment
# stand around it.
set -eu

examples=$1
keys=$2

while read -r type key _; do
    case $type in
    ssh-* | ecdsa-*) ;;
    *) continue ;;
    esac
    # The key alone decides: it names its own type.
    if grep -Fq -- "$key" "$keys"; then
        echo "This image would trust a published example key, whose private half anybody can read:" >&2
        echo "    $type $key" >&2
        echo "Put your own public key into users.users.root.openssh.authorizedKeys.keys of the host." >&2
        exit 1
    fi
done <"$examples"
