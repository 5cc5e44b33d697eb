# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# arm.example.org is a process here: an sshd that sees a Nix store of its own.

setup() {
  local arm=$work/arm
  mkdir -p "$arm/nix" /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$arm/host"
  ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/builder"
  cat "$HOME"/.ssh/{builder,id_ed25519}.pub >"$arm/keys"
  cp /etc/passwd "$arm/passwd"
  echo "builder:x:0:0::$arm:/bin/bash" >>"$arm/passwd"
  mount --bind "$arm/passwd" /etc/passwd
  echo '127.0.0.1 arm.example.org' >>/etc/hosts
  echo "arm.example.org $(cut -d' ' -f1,2 "$arm/host.pub")" >>"$HOME/.ssh/known_hosts"
  echo "$NIX_CONFIG" >"$arm/nix.conf"
  printf '%s\n' 'ListenAddress 127.0.0.1' "HostKey $arm/host" "AuthorizedKeysFile $arm/keys" 'StrictModes no' \
    'PermitRootLogin yes' "SetEnv NIX_CONF_DIR=$arm" >"$arm/sshd"
  unshare --mount --propagation private bash -c "mount --bind $arm/nix /nix && exec $(command -v sshd) -D -f $arm/sshd -E $arm/log" &
  builder=$!
  # what bach needs to build for itself
  configure 'nix.settings = { extra-platforms = [ "aarch64-linux" ]; sandbox = false; };'
  cd "$machines"
  spinet deploy bach
}

before() {
  configure "environment.etc.built-$line.text = \"elsewhere\";"
  plain=$NIX_CONFIG
  case $command in
    *doctor*)
      NIX_CONFIG+="
$(sed -n '/^```ini/,/^```/p' "$root/$page" | grep -v '```')"
      ;;
    *--builders*)
      NIX_CONFIG+="
max-jobs = 0"
      ;;
  esac
}

after() {
  NIX_CONFIG=$plain
  case $command in
    # the terminal breaks it between words
    *doctor*) tr -s '\r\n ' ' ' <"$work/screen" | grep -q 'built by ssh-ng://builder@arm.example.org; a build was tried' ;;
    *)
      on bach grep elsewhere "/etc/built-$line"
      ;;
  esac
  case $command in
    *--builders*) compgen -G "$work/arm/nix/store/*-nixos-system-bach*" ;;
    *--build-host*) grep -q 'Bringing the result here' "$work/screen" ;;
    *--build-on-host*) kill "$builder" ;;
  esac
}
