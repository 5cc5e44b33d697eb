# shellcheck shell=bash
# Flakes of other people in a scratch folder, which use this repository as an input. Sourced: $here is this folder.
# Their locks lead to the stand-ins, so that nix is called as their owners call it.

: "${here:?the folder of this file}"
# shellcheck source=tests/env
. "$here/../env"
PATH=$PATH:/usr/sbin:/sbin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# nothing of the developer's machine
export HOME=$scratch/home XDG_STATE_HOME=$scratch/state XDG_CACHE_HOME=$scratch/cache XDG_CONFIG_HOME=$scratch/config
unset SSH_AUTH_SOCK RULES

fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}

# must COMMAND..: its output is shown when it fails.
must() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2 && fail "failed: $*"; }; }

# refused MESSAGE COMMAND..
refused() {
  local message=$1
  shift
  if "$@" >"$scratch/log" 2>&1; then fail "not refused: $*"; fi
  grep -qF -- "$message" "$scratch/log" || { cat "$scratch/log" >&2 && fail "not the reason expected ($message): $*"; }
}

# spinet_input: this repository as git has it, in $scratch/spinet.
spinet_input() {
  mkdir "$scratch/spinet"
  git -C "$here/../.." ls-files -z -- . ':!tests/standin' | (cd "$here/../.." && tar --null -T - -c) | tar -x -C "$scratch/spinet"
}

# lock: the flake in this folder, with the stand-ins for nixpkgs and agenix.
lock() {
  git init -q
  git add -A
  must nix flake lock --offline --override-input nixpkgs "path:$here/nixpkgs" --override-input agenix "path:$here/agenix" \
    --override-input spinet "path:$scratch/spinet" --output-lock-file "$scratch/flake.lock"
  cp "$scratch/flake.lock" flake.lock
  git add -A
}

# an_admin: a key of one's own, where ssh and spinet look for it.
an_admin() {
  mkdir -p "$HOME/.ssh"
  ssh-keygen -q -t ed25519 -N '' -C admin -f "$HOME/.ssh/id_ed25519"
}
