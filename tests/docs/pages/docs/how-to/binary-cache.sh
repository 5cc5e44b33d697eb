# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# For S3 stands a binary cache over HTTP.

setup() {
  # shellcheck source=tests/standin/build-cases
  . "$standin/build-cases"
  dir=$work
  local address
  address=$(address bach)
  mkdir "$work/binary-cache"
  serve "$work/binary-cache" "${address%.*}.1" &
  server=$!
  until [ -s "$work/port" ]; do sleep 0.1; done
  cache=http://${address%.*}.1:$(cat "$work/port")
}

before() {
  configure "environment.etc.travelled-$line.text = \"far\";"
  case $command in
    *file:*)
      # a file system that both have
      local there
      there=$SPINET_HOSTS/$(pi bach)/root/srv/nix-cache
      mkdir -p "$there"
      mount -t tmpfs tmpfs /srv
      mkdir /srv/nix-cache
      mount --bind "$there" /srv/nix-cache
      ;;
  esac
}

after() {
  on bach grep far "/etc/travelled-$line"
  case $command in
    *s3:*)
      ls "$work"/binary-cache/*.narinfo >/dev/null
      kill "$server"
      ;;
    *file:*)
      ls /srv/nix-cache/*.narinfo >/dev/null
      umount /srv/nix-cache /srv
      ;;
  esac
}
