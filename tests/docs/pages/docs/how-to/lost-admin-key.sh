# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# First another admin's key is left, which is the one in ~/.ssh; then none, and bach's card is in the reader.

setup() {
  local new
  ssh-keygen -q -t ed25519 -N '' -C new -f "$work/new-admin"
  new=$(cut -d' ' -f1,2 "$work/new-admin.pub")
  cd "$machines"
  sed -i "s|^}|  new = \"$new\";\n}|" keys.nix
  sed -i 's|inherit (import ../keys.nix) admin|& new|; s|= \[ admin|& new|' secrets/secrets.nix
  sed -i 's|keys.admin|& keys.new|' hosts/bach/default.nix
}

before() {
  case $command in
    'sudo mount'*)
      cd "$machines"
      git checkout -q secrets
      sed -i '/^  new =/d' keys.nix
      sed -i "s|^  admin = .*|  admin = \"$(cut -d' ' -f1,2 "$work/new-admin.pub")\";|" keys.nix
      sed -i 's|keys.new||' hosts/bach/default.nix
      sed -i 's|^  "wifi-home.age"\(.*\)|&\n  "bach-password.age"\1|' secrets/secrets.nix
      age -R "$HOME/.ssh/id_ed25519.pub" -r "$(key_of bach)" -o secrets/bach-password.age <<<'$6$salt$hash'
      git add secrets
      switch_off bach
      partition=$(losetup --find --show --offset "$(root_of "$work/bach.img")" "$work/bach.img")
      ;;
  esac
}

after() {
  case $command in
    *'secrets rekey') age -d -i "$work/new-admin" "$machines/secrets/wifi-home.age" >/dev/null ;;
    *'secrets rekey -i'*)
      for secret in wifi-home bach-password; do age -d -i "$work/new-admin" "$machines/secrets/$secret.age" >/dev/null; done
      ;;
    'sudo umount'*) card_back ;;
  esac
}
