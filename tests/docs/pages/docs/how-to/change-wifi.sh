# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
setup() { knows 'New Home'; }

before() {
  case $command in
    *'.#deploy -- bach') configure 'spinet.wifi.networks.new.secret = ../../secrets/wifi-new.age;' ;;
  esac
}

after() {
  case $command in
    *'.#deploy -- bach') on bach test -s '"/var/lib/iwd/New Home.psk"' ;;
  esac
}
