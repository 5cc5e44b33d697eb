# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
keeps=1

before() {
  case $command in
    *'card write'*) nix build "$machines#bach-image" --out-link "$work/image" ;;
  esac
}

after() {
  case $command in
    *'card list') grep -q "$(reader).*Card Reader" "$work/screen" ;;
    *'card write'*) sfdisk --dump "$(reader)" | grep -q 'type=83, bootable' ;;
  esac
}
