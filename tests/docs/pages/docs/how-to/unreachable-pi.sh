# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
before() {
  case $command in
    *'deploy -- bach --'*) left_waiting ;;
    'sudo mount'*)
      switch_off bach
      partition=$(losetup --find --show --offset "$(root_of "$work/bach.img")" "$work/bach.img")
      ;;
  esac
}

after() {
  case $command in
    *--confirm) on bach grep -qx phase=committed /var/lib/spinet/guard/state ;;
    *--undo) on bach grep -qx phase=undone /var/lib/spinet/guard/state ;;
    'sudo umount'*) card_back ;;
  esac
}
