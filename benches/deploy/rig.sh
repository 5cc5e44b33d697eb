#!/usr/bin/env bash
# The scratch flake and the stand-in hosts of the benchmark, in its own mount namespace. $WORK is its folder.
#
#   rig.sh flake            a private /nix, home, keys, and a copy of this flake whose lock points to the stand-ins
#   rig.sh up NAME PI       makes the card of host NAME, switches PI on with it; prints its address
#   rig.sh rows NAME=ADDRESS..   writes hosts/default.nix and commits
#   rig.sh down PI
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
standin=$root/tests/standin
flake=$WORK/fleet
log=$WORK/log
PATH=$PATH:/usr/sbin:/sbin

make_flake() {
  mkdir -p "$WORK"/{nix,home/.ssh,state,cache,config,tmp,hosts} /nix ~root/.ssh
  chmod 700 "$WORK" "$WORK/home/.ssh"
  mount --bind "$WORK/nix" /nix
  # ssh asks the password database for its home, not the environment
  mount --bind "$WORK/home/.ssh" ~root/.ssh
  ssh-keygen -q -t ed25519 -N '' -C bench -f "$HOME/.ssh/id_ed25519"
  mkdir "$flake"
  git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -Pt "$flake")
  cp -r "$standin/nixpkgs" "$standin/agenix" "$WORK/"
  cd "$flake"
  git init -q
  git config user.name bench
  git config user.email bench@localhost
  git rm -rqf --ignore-unmatch hosts secrets
  # for deploy-rs and colmena; spinet looks at neither
  sed -i 's|^      inherit lib;$|&\n      inherit (import ./benches/deploy/peers.nix { inherit self nixpkgs; }) deploy colmenaHive;|' flake.nix
  grep -q colmenaHive flake.nix
  mkdir -p hosts secrets
  echo '{ }' >secrets/secrets.nix
  echo first >hosts/text
  echo 0 >hosts/additions
  : >hosts/known_hosts
  deploy=$(command -v deploy || true)
  [ -z "$deploy" ] || realpath -s "$(dirname "$deploy")/activate" >hosts/activate
  cat >hosts/pi.nix <<NIX
{ spinet, ... }:
{
  imports = [ spinet.nixosModules.raspberry-pi ];
  system.stateVersion = "26.05";
  networking.wireless.iwd.enable = true;
  users.mutableUsers = false;
  users.users.root.openssh.authorizedKeys.keys = [ "$(cat "$HOME/.ssh/id_ed25519.pub")" ];
  services.openssh.enable = true;
  services.openssh.settings = {
    PasswordAuthentication = false;
    PermitRootLogin = "prohibit-password";
  };
  services.avahi = {
    enable = true;
    publish = {
      enable = true;
      addresses = true;
    };
  };
  environment.etc."bench".source = ./text;
  environment.etc."evaluated".text =
    let
      add = builtins.foldl' (sum: n: sum + n) 0;
      numbers = builtins.genList (n: n) (builtins.fromJSON (builtins.readFile ./additions));
    in
    toString (add (map (_: add numbers) (builtins.genList (n: n) 1000)));
}
NIX
  echo '{ first = { system = "aarch64-linux"; modules = [ ./pi.nix ]; }; }' >hosts/default.nix
  git add -A
  nix flake lock --offline --override-input nixpkgs "path:$WORK/nixpkgs" \
    --override-input agenix "path:$WORK/agenix" --output-lock-file "$WORK/flake.lock" 2>>"$log"
  cp "$WORK/flake.lock" flake.lock
  git commit -qam 'A fleet to measure'
  nix build .#first-image --out-link "$WORK/image" 2>>"$log"
}

up() {
  local name=$1 pi=$2 card=$WORK/$2.img key=$WORK/$2.key mounted=$WORK/tmp/card start
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$key"
  cp --sparse=always "$WORK"/image/sd-image/*.img "$card"
  chmod u+w "$card"
  start=$(sfdisk --dump "$card" | sed -n 's/.*start= *\([0-9]*\),.*type=83.*/\1/p')
  mkdir -p "$mounted"
  mount -o "loop,offset=$((start * 512))" "$card" "$mounted"
  mkdir -p "$mounted/etc/ssh" "$mounted/var/lib/spinet"
  install -m 600 "$key" "$mounted/etc/ssh/ssh_host_ed25519_key"
  install -m 644 "$key.pub" "$mounted/etc/ssh/ssh_host_ed25519_key.pub"
  echo "$name" | tee "$mounted/etc/hostname" >"$mounted/var/lib/spinet/hostname"
  umount "$mounted"
  echo "$name $(cut -d' ' -f1,2 "$key.pub")" >>"$flake/hosts/known_hosts"
  "$standin/host/up" "$pi" "$card" >&2
  "$standin/host/address" "$pi"
}

rows() {
  cd "$flake"
  {
    echo '{'
    for row in "$@"; do
      echo "  ${row%%=*} = { system = \"aarch64-linux\"; modules = [ ./pi.nix ]; address = \"${row#*=}\"; };"
    done
    echo '}'
  } >hosts/default.nix
  git add -A
  git commit -qm 'The hosts that are there'
}

command=$1
shift
case $command in
  flake) make_flake ;;
  up) up "$@" ;;
  rows) rows "$@" ;;
  down) "$standin/host/down" "$1" ;;
esac
