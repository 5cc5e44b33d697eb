# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
before() {
  case $command in
    *--diff) configure 'environment.etc.moved.text = "from deploy-rs";' ;;
  esac
}

after() {
  case $command in
    *--diff) on bach test -e /etc/moved ;;
  esac
}
