# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# Somebody who takes the repository itself as a beginning.

setup() {
  local mine example
  git clone -q https://github.com/OWNER/spinet "$work/readme"
  here=$work/readme
  # step 2
  mine=$(cut -d' ' -f1,2 "$HOME/.ssh/id_ed25519.pub")
  example=$(cut -d' ' -f1,2 "$root/tests/keys/admin.pub")
  cd "$here"
  sed -i "s|$example|$mine|" hosts/bach/default.nix secrets/secrets.nix
  sed -i '/^ *bach\( =\|$\)/d' secrets/secrets.nix
}

before() {
  cd "$here"
  case $command in
    *'flake init'*)
      mkdir "$work/empty"
      here=$work/empty
      ;;
    *@kitchen*)
      sed -i 's|modules = \[ ./bach \];|& tags = [ "kitchen" ];|' hosts/default.nix
      sed -i 's|^  system.stateVersion|  environment.etc.kitchen.text = "yes";\n&|' hosts/bach/default.nix
      ;;
    *--reboot) sed -i 's|etc.kitchen|etc.cook|' hosts/bach/default.nix ;;
  esac
}

after() {
  case $command in
    *mkpasswd*) age -d -i "$HOME/.ssh/id_ed25519" secrets/bach-password.age | grep -q '^\$6\$' ;;
    *'flake init'*) here=$work/readme ;;
    *@kitchen*) on bach grep yes /etc/kitchen ;;
    *--reboot) on bach grep yes /etc/cook ;;
    *--rollback) on bach grep yes /etc/kitchen ;;
    *'card list') grep -q "$(reader).*Card Reader" "$work/screen" ;;
    *'wifi list') grep -qF "$ssid" "$work/screen" ;;
  esac
}
