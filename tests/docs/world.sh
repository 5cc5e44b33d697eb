# shellcheck shell=bash
# The machine of somebody who reads the docs, as far as this one can be it. Sourced after tests/standin/rehearsal:
# $root is the project, $work the scratch folder.
#
# Real: nix, git, ssh, the terminal, mounts, the network's names. Stand-in: GitHub (tests/docs/github), the card reader (a loop
# device that lsblk tells as one), sudo and mkpasswd, and the hosts (tests/standin/host.md).

served=$work/github
machines=$work/new/machines
# here it is the program
unset -f spinet

# In the place of the rehearsal's own flake: what GitHub would have.
scratch_flake() {
  reader_and_wifi
  programs
  git config --global user.name reader
  git config --global user.email reader@localhost
  git config --global init.defaultBranch main
  serve_github
  publish NixOS/nixpkgs nixos-26.05 "$standin/nixpkgs"
  publish ryantm/agenix main "$standin/agenix"
  mkdir "$work/spinet"
  git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -Pt "$work/spinet")
  rm "$work/spinet/flake.lock"
  git -C "$work/spinet" init -q
  git -C "$work/spinet" add -A
  (cd "$work/spinet" && nix flake lock 2>>"$log")
  publish OWNER/spinet main "$work/spinet"
  program=$(nix build --no-link --print-out-paths github:OWNER/spinet#spinet 2>>"$log")
  PATH=$PATH:$program/bin
}

# publish OWNER/NAME BRANCH FOLDER: makes it a repository of the stand-in GitHub
publish() {
  local bare=$served/$1.git
  git init -q --bare -b "$2" "$bare"
  git --git-dir "$bare" --work-tree "$3" add -A
  git --git-dir "$bare" --work-tree "$3" commit -qm 'As it is'
  # in one file: git's plain protocol asks for each
  git -C "$bare" repack -qad
  git -C "$bare" update-server-info
}

serve_github() {
  openssl req -quiet -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=stand-in \
    -addext subjectAltName=DNS:github.com,DNS:api.github.com -keyout "$work/github.key" -out "$work/github.pem"
  mkdir "$served"
  cp /etc/hosts "$work/etc-hosts"
  echo '127.0.0.1 github.com api.github.com' >>"$work/etc-hosts"
  mount --bind "$work/etc-hosts" /etc/hosts
  export NIX_CONFIG="$NIX_CONFIG
ssl-cert-file = $work/github.pem" GIT_SSL_CAINFO=$work/github.pem
  "$root/tests/docs/github" "$served" "$work/github.pem" "$work/github.key" &
  github=$!
  until (: </dev/tcp/127.0.0.1/443) 2>/dev/null; do
    kill -0 "$github" || fail "the stand-in GitHub did not start"
    sleep 0.1
  done
}

programs() {
  mkdir "$work/bin"
  cat >"$work/bin/sudo" <<'SH'
#!/bin/sh
exec "$@"
SH
  cat >"$work/bin/mkpasswd" <<'SH'
#!/bin/sh
# shellcheck disable=SC3045
printf 'Password: ' >/dev/tty && read -r password </dev/tty && echo "$password" | exec openssl passwd -6 -stdin
SH
  cat >"$work/bin/editor" <<'SH'
#!/bin/sh
sed -i '/^PreSharedKey=/d' "$1" && echo '# looked at' >>"$1"
SH
  chmod +x "$work"/bin/*
  export PATH=$work/bin:$PATH EDITOR=editor PAGER=cat GIT_PAGER=cat
}

# lsblk tells the loop device of the reader as a card reader of USB, and is the machine's own otherwise.
reader_and_wifi() {
  local lsblk
  lsblk=$(command -v lsblk)
  cp "$lsblk" "$work/lsblk"
  cat >"$work/lsblk-with-reader" <<SH
#!/bin/bash
set -o pipefail
case " \$* " in *" --json "*) ;; *) exec $work/lsblk "\$@" ;; esac
$work/lsblk "\$@" | jq --arg reader "\$(cat $work/reader)" \\
  '(.blockdevices[] | select(.name == \$reader)) += { type: "disk", tran: "usb", rm: true, model: "Card Reader" }'
SH
  chmod +x "$work/lsblk-with-reader"
  mount --bind "$work/lsblk-with-reader" "$lsblk"
  mkdir -p /var/lib/iwd
  mount --bind "$work/iwd" /var/lib/iwd
  blank_card
}

# A blank card is in the reader. Which device that is, a file tells: cards are put in while commands run.
blank_card() {
  truncate -s 2G "$work/blank.img"
  losetup --find --show "$work/blank.img" >"$work/reader"
}
reader() { cat "$work/reader"; }

# pi NAME: what this machine calls the stand-in host of that name
pi() { echo "$1-$$"; }
address() { "$host/address" "$(pi "$1")"; }
key_of() { cut -d' ' -f1,2 "$SPINET_HOSTS/$(pi "$1")/card/etc/ssh/ssh_host_ed25519_key.pub"; }
is_on() { [ -d "$SPINET_HOSTS/$(pi "$1")" ]; }
switch_off() { ! is_on "$1" || "$host/down" "$(pi "$1")"; }

# boot NAME [SSID]: the card goes from the reader into the host, in the place of the one that was there
boot() {
  local name=$1 network=${2-$ssid}
  switch_off "$name"
  sync "$(reader)"
  losetup -d "$(reader)"
  mv "$work/blank.img" "$work/$name.img"
  blank_card
  "$host/up" "$(pi "$name")" "$work/$name.img" ${network:+--ssid "$network" --passphrase-file "$work/iwd/passphrase"}
}

# knows SSID: this machine is in that network, too
knows() { printf '[Security]\nPassphrase=%s\n' "$passphrase" >"$work/iwd/$1.psk"; }

# on NAME COMMAND: as root, under the key on its card
on() {
  key_of "$1" | sed "s/^/$1 /" >"$work/known"
  ssh -F none -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=yes -o HostKeyAlias="$1" \
    -o UserKnownHostsFile="$work/known" "root@$(address "$1")" "${@:2}"
}

# every host of this run, and what goes with it
finish() {
  local status=$? each
  [ "$status" = 0 ] || keep=1
  for each in "$SPINET_HOSTS"/*; do "$host/down" "${each##*/}" >/dev/null 2>&1 || true; done
  kill "$github" 2>/dev/null || true
  losetup -d "$(reader)" 2>/dev/null || true
  cd /
  umount /nix || true
  [ -n "$keep" ] || rm -rf "$work"
}

# --- what the pages have in common ---

# The two lines marked EDIT, in the template's flake here.
edit_lines() {
  sed -i "s|throw \"keys.nix.*\";|\"$(cut -d' ' -f1,2 "$HOME/.ssh/id_ed25519.pub")\";|" keys.nix
  sed -i 's|throw "hosts/bach.*";|"Europe/Berlin";|' hosts/bach/default.nix
}

# The comment marks of the wifi's secret, in the template's flake here.
on_the_wifi() {
  sed -i 's|# \(spinet.wifi\)|\1|' hosts/bach/default.nix
  sed -i 's|# \("wifi-home.age"\)|\1|' secrets/secrets.nix
}

# configure NIX: bach's configuration gets one line more
configure() {
  sed -i "s|^  system.stateVersion|  $1\n&|" "$machines/hosts/bach/default.nix"
}

# row NAME [NIX]: a host like bach is in the fleet, with more in its row
row() {
  mkdir "$machines/hosts/$1"
  cp "$machines/hosts/bach/default.nix" "$machines/hosts/$1/"
  git -C "$machines" add -A
  sed -i "s|^}|  $1 = { system = \"aarch64-linux\"; modules = [ ./$1 ]; ${2-} };\n}|" "$machines/hosts/default.nix"
}

in_the_kitchen() {
  sed -i 's|modules = \[ ./bach \];|& tags = [ "kitchen" ];|' "$machines/hosts/default.nix"
}

# agenix_folder FOLDER: rules of agenix and a secret for oneself and a host, in git and nothing else
agenix_folder() {
  mkdir "$1"
  ssh-keygen -q -t ed25519 -N '' -C bach -f "$1.host"
  cat >"$1/secrets.nix" <<NIX
let
  admin = "$(cut -d' ' -f1,2 "$HOME/.ssh/id_ed25519.pub")";
  bach = "$(cut -d' ' -f1,2 "$1.host.pub")";
in
{
  "wifi-home.age".publicKeys = [ admin bach ];
}
NIX
  age -R "$HOME/.ssh/id_ed25519.pub" -R "$1.host.pub" -o "$1/wifi-home.age" <<<'# iwd: Home.psk'
  git -C "$1" init -q
  git -C "$1" add -A
}

# A deploy to bach waits for its confirmation, and whoever began it is gone.
left_waiting() {
  local client
  configure "spinet.deploy.healthChecks.slow-$line = \"sleep 4\";"
  (cd "$machines" && exec setsid spinet deploy bach --deadline 90) &
  client=$!
  until on bach grep -qx phase=waiting /var/lib/spinet/guard/state; do
    kill -0 "$client"
    sleep 0.2
  done
  pkill -KILL --session "$client"
}

# root_of CARD: the byte at which its second partition begins
root_of() { echo $((512 * $(sfdisk --dump "$1" | sed -n '/type=83/s/.*start= *\([0-9]*\),.*/\1/p'))); }

# bach's card goes from the reader into bach again
card_back() {
  losetup -d "$partition"
  "$host/up" "$(pi bach)" "$work/bach.img" --ssid "$ssid" --passphrase-file "$work/iwd/passphrase"
}
