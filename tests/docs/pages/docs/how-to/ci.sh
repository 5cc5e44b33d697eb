# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# A fleet of two, and what is about agenix alone in a folder of its own.

setup() {
  row byrd
  agenix_folder "$work/ci"
}

before() {
  case $command in
    *github:*) here=$work/ci ;;
    *) here=$machines ;;
  esac
}
