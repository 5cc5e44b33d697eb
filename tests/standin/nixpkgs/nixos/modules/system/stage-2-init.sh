#!/bin/bash
# PID 1 until systemd: what NixOS does between the initrd and systemd, and an SD image on its first boot.
systemConfig=@toplevel@
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "<<< NixOS Stage 2 (stand-in) >>>"
umask 0022
mkdir -p /etc /var/log /nix/var/nix/profiles
# Debian's first-boot wizards want a file; NixOS has one without content, too.
[ -e /etc/machine-id ] || : > /etc/machine-id

"$systemConfig/activate" || echo "stage 2: activation had failures" >&2
ln -sfn "$systemConfig" /run/booted-system
mkdir -p /nix/var/nix/gcroots
ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system

if [ -s /nix-path-registration ]; then
  echo "first boot: registering the image's store paths"
  if nix-store --load-db < /nix-path-registration; then
    nix-env -p /nix/var/nix/profiles/system --set "$systemConfig"
    rm -f /nix-path-registration 2> /dev/null || : > /nix-path-registration
  fi
fi

exec /lib/systemd/systemd "$@"
