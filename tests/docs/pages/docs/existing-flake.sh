# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# The flake of tests/standin/existing-flake.nix, and haydn: a machine that was set up by other means, with Nix and sshd.

setup() {
  local me
  me=$(cut -d' ' -f1,2 "$HOME/.ssh/id_ed25519.pub")
  switch_off bach
  nix build "$machines#bach-image" --out-link "$work/haydn-image"
  spinet card write "$work/haydn-image" "$(reader)" --yes
  boot haydn ''
  # an x86_64 one, whose link is up with the stand-in's iwd alone
  cp "$SPINET_HOSTS/$(pi haydn)/root/usr/bin/uname.real" "$SPINET_HOSTS/$(pi haydn)/root/usr/bin/uname"
  # it makes its key itself
  until key_of haydn; do sleep 0.3; done
  echo "$(address haydn) haydn.example.org" >>/etc/hosts
  mkdir -p "$work/theirs/secrets"
  cd "$work/theirs"
  sed -e "s|@admin@|$me|; s|boot.loader.grub.device = .*|boot.loader.generic-extlinux-compatible.enable = true;|" \
    -e 's|networking.hostName = "haydn";|& networking.wireless.iwd.enable = true;|' "$standin/existing-flake.nix" >flake.nix
  agenix_folder "$work/theirs/secrets/new"
  sed 's/bach/haydn/; s/wifi-home/token/' secrets/new/secrets.nix >secrets/secrets.nix
  mv secrets/new/wifi-home.age secrets/token.age
  rm -rf secrets/new*
  git init -q
  git add -A
  here=$work/theirs
}

after() {
  case $command in
    *scan*) grep -qF "$(key_of haydn)" "$work/screen" ;;
    *enroll*) grep -qF "$(key_of haydn)" "$work/theirs/secrets/secrets.nix" ;;
    *deploy*)
      on haydn test -s /run/agenix/token
      switch_off haydn
      "$host/up" "$(pi bach)" "$work/bach.img" --ssid "$ssid" --passphrase-file "$work/iwd/passphrase"
      ;;
  esac
}
