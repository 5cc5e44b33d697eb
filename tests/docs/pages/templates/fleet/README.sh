# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# What `nix flake init` left, for a Pi on the wifi.

setup() {
  mkdir "$work/template"
  cd "$work/template"
  here=$work/template
  nix flake init -t github:OWNER/spinet
  # steps 1 and 2
  edit_lines
  on_the_wifi
}
