# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# For the other input's image stands the generic one.

setup() {
  row mini
  row wolf 'sdImage = ./pi5-image.nix;'
  cat >"$machines/hosts/pi5-image.nix" <<'NIX'
{ modulesPath, ... }:
{
  imports = [ (modulesPath + "/installer/sd-card/sd-image-aarch64.nix") ];
}
NIX
  git -C "$machines" add -A
  switch_off bach
}

after() {
  case $command in
    *'bootstrap -- mini') switch_off mini ;;
    *'deploy -- wolf') switch_off wolf && "$host/up" "$(pi bach)" "$work/bach.img" --ssid "$ssid" --passphrase-file "$work/iwd/passphrase" ;;
  esac
}
