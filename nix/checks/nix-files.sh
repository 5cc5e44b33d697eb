#!/bin/sh
# nix-files.sh REPOSITORY: its Nix files are formatted as RFC 166 has it, and hold nothing unused or clumsy.
# statix is in nixpkgs and in no other packages that tests/setup could take it from: there, the check goes on without.
set -eu
cd "$1"

set -f
files=$(find . -name '*.nix' -not -path './target/*')
# shellcheck disable=SC2086 # no name of ours has a space
nixfmt --check $files
# A template has a name or two for what its user is yet to write.
# shellcheck disable=SC2046,SC2086
deadnix --fail $(printf '%s\n' $files | grep -v '^\./templates/')
if command -v statix >/dev/null; then
    statix check .
else
    echo "statix is not here; it is not asked." >&2
fi
