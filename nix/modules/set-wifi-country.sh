#!/bin/sh
# set-wifi-country IW FILE: sets the radio's country to the two letters in FILE.
#
# Never fails: a host that is reachable over the channels every country allows is better than an undone deploy.
set -u

iw=$1
file=$2
country=
IFS= read -r country <"$file" || true
case $country in
    [A-Z][A-Z]) ;;
    *)
        echo "$file holds no country of two capital letters; the radio keeps to what every country allows." >&2
        exit 0
        ;;
esac
if ! "$iw" reg set "$country"; then
    echo "The country $country could not be set; the radio keeps to what every country allows." >&2
fi
exit 0
