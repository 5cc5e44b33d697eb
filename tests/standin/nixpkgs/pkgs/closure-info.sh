#!/bin/bash
# Usage: closure-info.sh GRAPH..: prints what `nix-store --load-db` reads, each store path of the graphs once.
# A graph (exportReferencesGraph) has a path, its deriver, the number of references and the references; the database
# also wants the hash and size of the path's archive.
set -eu
declare -A seen=()
cat "$@" | while read -r path; do
  read -r _deriver
  read -r count
  references=()
  for ((i = 0; i < count; i++)); do
    read -r reference
    references+=("$reference")
  done
  if [ -n "${seen[$path]:-}" ]; then continue; fi
  seen[$path]=1
  hash=$(nix-store --dump "$path" | sha256sum)
  size=$(nix-store --dump "$path" | wc -c)
  printf '%s\n' "$path" "${hash%% *}" "$size" '' "$count" "${references[@]}"
done
