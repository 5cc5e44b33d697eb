# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
setup() {
  in_the_kitchen
  row byrd 'tags = [ "kitchen" "music" ];'
  row holst
}

before() {
  case $command in
    *--diff)
      for each in bach byrd; do
        sed -i "s|^  system.stateVersion|  environment.etc.kitchen.text = \"yes\";\n&|" "$machines/hosts/$each/default.nix"
      done
      ;;
  esac
}

after() {
  case $command in
    *--diff) on byrd grep yes /etc/kitchen ;;
    *status) for each in byrd holst; do switch_off "$each"; done ;;
  esac
}
