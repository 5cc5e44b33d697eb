# shellcheck shell=bash
# Sourced by the activation script: decrypts secrets with age. A secret that cannot be decrypted is a warning, its path
# then leads nowhere; activation goes on.
new_generation() {
  agenix_mount=$1 agenix_link=$2
  agenix_generation=$(basename "$(readlink "$agenix_link" || echo 0)")
  agenix_generation=$((agenix_generation + 1))
  echo "[agenix] creating new generation in $agenix_mount/$agenix_generation"
  mkdir -p "$agenix_mount"
  chmod 0751 "$agenix_mount"
  grep -q "$agenix_mount ramfs" /proc/mounts || mount -t ramfs none "$agenix_mount" -o nodev,nosuid,mode=0751
  mkdir -p "$agenix_mount/$agenix_generation"
  chmod 0751 "$agenix_mount/$agenix_generation"
}

# identities PATH..: the private keys that exist.
identities() {
  local path
  agenix_identities=()
  for path; do
    if [ -s "$path" ]; then agenix_identities+=(-i "$path"); fi
  done
  if [ ${#agenix_identities[@]} = 0 ]; then echo "[agenix] WARNING: no readable identities found!"; fi
}

# install_secret AGE FILE NAME PATH MODE link|copy
install_secret() {
  local target=$agenix_mount/$agenix_generation/$3
  echo "decrypting '$2' to '$4'..."
  if [ "$6" = copy ]; then target=$4; fi
  mkdir -p "$(dirname "$target")"
  if (umask 0377 && "$1" --decrypt "${agenix_identities[@]}" -o "$target.tmp" "$2"); then
    chmod "$5" "$target.tmp"
    mv -f "$target.tmp" "$target"
  else
    rm -f "$target.tmp"
    echo "[agenix] WARNING: '$3' was not decrypted." >&2
  fi
  if [ "$6" = link ] && [ "$4" != "$agenix_link/$3" ]; then
    mkdir -p "$(dirname "$4")"
    ln -sfn "$agenix_link/$3" "$4"
  fi
}

publish_generation() {
  echo "[agenix] symlinking new secrets to $agenix_link (generation $agenix_generation)..."
  ln -sfT "$agenix_mount/$agenix_generation" "$agenix_link"
  if [ "$agenix_generation" -gt 1 ]; then
    echo "[agenix] removing old secrets (generation $((agenix_generation - 1)))..."
    rm -rf "${agenix_mount:?}/$((agenix_generation - 1))"
  fi
}

# own_secret NAME PATH OWNER GROUP
own_secret() {
  local target=$agenix_mount/$agenix_generation/$1
  if [ -e "$target" ]; then chown "$3:$4" "$target"; elif [ -e "$2" ]; then chown "$3:$4" "$2"; fi
}
