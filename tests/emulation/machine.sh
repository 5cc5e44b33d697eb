#!/bin/sh
# machine.sh INTERPRETER FLAGS NAMESPACES COMMAND..: runs COMMAND on a machine with an empty /nix and a table of
# interpreters of its own, where INTERPRETER runs programs for aarch64 with the binfmt_misc FLAGS (`none`: it is not
# registered). NAMESPACES is how many user namespaces the kernel allows. Start it with
# unshare --user --map-root-user --mount --net --pid --fork --mount-proc: its mounts go with that.
# Exit code 77: this machine cannot have such a machine.
set -eu
interpreter=$1 flags=$2 namespaces=$3
shift 3
table=/proc/sys/fs/binfmt_misc
mount -t tmpfs none /nix && mount -t binfmt_misc binfmt_misc "$table" || exit 77
if [ "$flags" != none ]; then
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":any-name:M::$magic:$mask:$interpreter:$flags" >"$table/register" || exit 77
fi
echo "$namespaces" >/proc/sys/user/max_user_namespaces
exec "$@"
