# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
setup() { in_the_kitchen; }

before() {
  case $command in
    *'status bach' | *--undo) left_waiting ;;
  esac
}

after() {
  case $command in
    *'status bach') grep -q 'pending .*waits for confirmation' "$work/screen" ;;
    *--confirm) on bach grep -qx phase=committed /var/lib/spinet/guard/state ;;
    *--undo) on bach grep -qx phase=undone /var/lib/spinet/guard/state ;;
  esac
}
