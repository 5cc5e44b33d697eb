#!/bin/bash
# Usage: setup-etc.sh ETC: /etc/static becomes ETC/etc, and every file in it a link below /etc.
# Links into /etc/static whose file is gone are removed; the tree's own files of other names stay.
set -eu
etc=$1/etc
ln -sfn "$etc" /etc/static.new
mv -T /etc/static.new /etc/static

find /etc -xdev -path /etc/static -prune -o -type l -lname '/etc/static/*' -print | while read -r link; do
  [ -e "$link" ] || rm "$link"
done

(cd "$etc" && find . -type l -printf '%P\n') | while read -r name; do
  # The Debian tree brings a folder where NixOS has a link (/etc/systemd/system).
  if [ -d "/etc/$name" ] && [ ! -L "/etc/$name" ]; then mv "/etc/$name" "/etc/$name.debian"; fi
  mkdir -p "$(dirname "/etc/$name")"
  rm -f "/etc/$name.new"
  ln -s "/etc/static/$name" "/etc/$name.new"
  mv -T "/etc/$name.new" "/etc/$name"
done

# Files with a mode of their own are copies; /etc/.clean remembers them.
while read -r name mode user group; do
  install -m "$mode" -o "$user" -g "$group" "$etc/$name" "/etc/$name.new"
  mv -T "/etc/$name.new" "/etc/$name"
done < "$1/copied"
if [ -e /etc/.clean ]; then
  while read -r name; do
    [ -e "$etc/$name" ] || rm -f "/etc/$name"
  done < /etc/.clean
fi
cut -d' ' -f1 "$1/copied" > /etc/.clean
touch /etc/NIXOS
