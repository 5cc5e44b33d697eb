# shellcheck shell=bash
# Sourced by the activation script: the users of the configuration into a Debian tree's passwd, group and shadow.
declare_group() { getent group "$1" > /dev/null || groupadd -f "$1"; }

# declare_user NAME UID normal|system HOME GROUP EXTRA,GROUPS
declare_user() {
  local flags=() group
  declare_group "$5"
  for group in ${6//,/ }; do declare_group "$group"; done
  if [ -n "$2" ]; then flags+=(-u "$2"); elif [ "$3" = system ]; then flags+=(-r); fi
  if getent passwd "$1" > /dev/null; then
    [ "$1" = root ] || usermod -g "$5" -G "$6" "$1"
  else
    useradd "${flags[@]}" -d "$4" -s /bin/bash -g "$5" -G "$6" -M "$1"
    if [ "$3" = normal ]; then install -d -m 0700 -o "$1" -g "$5" "$4"; fi
  fi
}

set_password() { usermod -p "$2" "$1"; }

# A missing file is a warning, as on NixOS: the secret may not have been decrypted.
set_password_from() {
  if [ -s "$2" ]; then
    # Not through usermod: a hash in an argument list is seen by everyone.
    printf '%s:%s\n' "$1" "$(head -n1 "$2")" | chpasswd -e
  else
    echo "warning: password file ‘$2’ does not exist" >&2
  fi
}

# forget_users mutable|immutable NAME..: removes users that an earlier configuration declared.
forget_users() {
  local mutable=$1 list=/var/lib/nixos/declarative-users name
  shift
  mkdir -p "${list%/*}"
  if [ "$mutable" = immutable ] && [ -e "$list" ]; then
    while read -r name; do
      case " $* " in *" $name "*) ;; *) userdel "$name" || true ;; esac
    done < "$list"
  fi
  printf '%s\n' "$@" > "$list"
}
