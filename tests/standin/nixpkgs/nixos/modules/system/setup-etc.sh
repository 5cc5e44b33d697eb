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

# Few programs are started: under emulation each takes a while.
(cd "$etc" && find . -type l -printf '%P\n') | while read -r name; do
  link=/etc/$name
  if [ -L "$link" ]; then
    [ ! "$link" -ef "$etc/$name" ] || continue
  elif [ -d "$link" ]; then
    # The Debian tree brings a folder where NixOS has a link (/etc/systemd/system).
    mv "$link" "$link.debian"
  fi
  [ -d "${link%/*}" ] || mkdir -p "${link%/*}"
  if [ -e "$link" ] || [ -L "$link" ]; then
    ln -sfn "/etc/static/$name" "$link.new"
    mv -T "$link.new" "$link"
  else
    ln -s "/etc/static/$name" "$link"
  fi
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
