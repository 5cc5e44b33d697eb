# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# Whoever works on spinet, after a clone.

setup() {
  mkdir "$work/contributor"
  here=$work/contributor
}
