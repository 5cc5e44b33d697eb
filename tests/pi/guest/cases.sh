# shellcheck shell=bash
# How the scripts in the guest tell what they found. Sourced.

# prove TITLE COMMAND..: one row of the table. What the command prints is on the console, above the row.
prove() {
  local title=$1 status=0
  shift
  echo "== $title"
  # not as a condition: that would switch -e off inside
  set +e
  (set -e && "$@") 2>&1
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    echo "@ ok $title"
  else
    echo "@ not so $title"
  fi
}

fail() {
  echo "NOT SO: $*"
  exit 1
}

# ask WORDS: something to be done outside
ask() { echo "@ ask $*"; }

# until_true SECONDS COMMAND..
until_true() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.5
  done
}

# expect STATUS WORDS COMMAND..: it ends so, says that, and neither hangs nor panics
expect() {
  local status=$1 words=$2 got=0
  shift 2
  timeout 200 "$@" >/tmp/said 2>&1 || got=$?
  tr '\r' '\n' </tmp/said | grep -v '^ *$' | tail -n 8
  [ "$got" = "$status" ] || fail "exit $got instead of $status: $*"
  grep -qF -- "$words" /tmp/said || fail "it does not say: $words"
  ! grep -q panicked /tmp/said || fail "it panicked"
}
