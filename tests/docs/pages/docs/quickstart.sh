# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# From an empty folder; a person at the keyboard answers what is asked.
keeps=1

setup() {
  mkdir "$work/new"
  here=$work/new
}

before() {
  case $command in
    ssh*) echo "$(address bach) bach.local" >>/etc/hosts ;;
    *--address*)
      # the first run gives up before the card is in bach
      at_terminal 'nix run .#bootstrap -- bach --timeout 1 || [ $? = 1 ]'
      boot bach
      ;;
    *--reflash*) knows 'Other Network' ;;
  esac
}

after() {
  case $command in
    grep*)
      cd "$here"
      edit_lines
      on_the_wifi
      ;;
    *'--plan') grep -q 'Erase the card' "$work/screen" ;;
    *'.#deploy -- bach') [ "$(on bach readlink /run/current-system)" != "$(on bach readlink /run/booted-system)" ] ;;
    *'status bach')
      grep -q 'reached under its pinned key' "$work/screen"
      grep -q 'as the flake builds it' "$work/screen"
      ;;
    ssh*) sed -i '/bach.local/d' "$work/etc-hosts" ;;
  esac
}
