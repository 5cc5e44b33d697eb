# What every derivation runs: a command of its own, or the phases.
set -eu
# shellcheck disable=SC1091,SC2154 # stdenv is the derivation's
. "$stdenv/setup"
if [ -n "${buildCommand:-}" ]; then eval "$buildCommand"; else genericBuild; fi
