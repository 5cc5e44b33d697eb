# shellcheck shell=bash
# How the commands of a page are run. Sourced by tests/docs/run, after world.sh.
#
# tests/docs/pages/PAGE.sh, of a page that needs it, defines
#   setup             what there is before the page begins; $here is the folder one is in, $machines otherwise
#   before, after     what else happens at $command, by its text
# and sets keeps=1 where what the page did to the flake must stay, as a new card's key.

declare -A reasons=()

# The table of what is not run: a line "PAGE: COMMAND", and the reason in the lines below it.
read_excused() {
  local line key=
  while IFS= read -r line; do
    case $line in
      '#'* | '') ;;
      ' '*) reasons[$key]+=${line#"${line%%[! ]*}"} ;;
      *) key=$line && reasons[$key]= ;;
    esac
  done <"$root/tests/docs/excused"
}

# filled COMMAND: with what its reader has in the place of what stands for it
filled() {
  local text=$1 name
  name=$(host_of "$text")
  text=${text//'[SSID]'/}
  text=${text//IMAGE CARD/$work/image $(reader)}
  text=${text//'s3://fleet-cache?region=eu-central-1'/${cache-}}
  text=${text//'/dev/sda2'/${partition-}}
  if [ -n "$name" ] && is_on "$name"; then
    text=${text//'ssh-ed25519 AAAA..'/$(key_of "$name")}
    text=${text/% KEY/ \"$(key_of "$name")\"}
    text=${text//192.168.1.20/$(address "$name")}
  fi
  printf %s "$text"
}

# host_of COMMAND: the host it is about, if it names one
host_of() {
  local name
  name=$(sed -n 's/.*#bootstrap -- \([a-z]*\).*/\1/p; s/.*\(scan\|enroll\|status\) \([a-z][a-z]*\).*/\2/p' <<<"$1")
  echo "$name"
}

# A bootstrap goes on when somebody puts its card into the Pi.
card_goes_over() {
  local name=$1 network=$2 pending earlier=
  pending=$(find "$XDG_STATE_HOME" -name "$name.pending.json" -exec cat {} + 2>/dev/null || true)
  earlier=$pending
  until [ "$pending" != "$earlier" ] && [[ $pending == *'"written": true'* ]]; do
    sleep 0.3
    pending=$(find "$XDG_STATE_HOME" -name "$name.pending.json" -exec cat {} + 2>/dev/null || true)
  done
  boot "$name" "$network"
}

# at_terminal COMMAND: in $here, which it may leave for another folder
at_terminal() {
  (cd "$here" && "$root/tests/docs/terminal" "${patience:-180}" bash -o pipefail -ec "$1
pwd >'$work/pwd'")
}

# not_so WHY: what is said of a command that fails
not_so() {
  # of a line that is written over, what it was at last
  sed -E 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/\r+$//; s/.*\r//' "$work/screen" | tail -n 40
  printf '\n%s:%s: %s\n' "$page" "$line" "$command"
  [ "$typed" = "$command" ] || printf 'typed as: %s\n' "$typed"
  printf 'in %s: %s. All that was seen before: %s\n' "$here" "$1" "$log"
  exit 1
} >&2

run_command() {
  local status=0 mover=
  typed=$command want=0 network=$ssid
  stage='what comes before it went wrong'
  before >"$work/screen" 2>&1
  stage=
  typed=$(filled "$command")
  case $typed in
    *'#bootstrap'*--plan* | *'#bootstrap'*--address*) ;;
    *'#bootstrap -- '*)
      case $typed in *'--wifi "'*) network=${typed##*--wifi \"} network=${network%%\"*} ;; esac
      card_goes_over "$(host_of "$typed")" "$network" >>"$work/moved" 2>&1 &
      mover=$!
      ;;
  esac
  at_terminal "$typed" >"$work/screen" 2>&1 || status=$?
  if [ -n "$mover" ]; then
    [ "$status" = 0 ] || kill "$mover" 2>/dev/null || true
    wait "$mover" || true
  fi
  printf '\n== %s:%s: %s\n' "$page" "$line" "$command" >>"$log"
  cat "$work/screen" >>"$log"
  [ "$status" = "$want" ] || not_so "exit code $status instead of $want"
  here=$(cat "$work/pwd")
  stage='what it was to do was not done'
  after >>"$work/screen" 2>&1
  stage=
}

# What a page did to the flake, and learnt of networks, goes with it.
settle() {
  find "$work/iwd" -name '*.psk' ! -name '=*' -delete
  git -C "$machines" rev-parse -q --verify HEAD >/dev/null 2>&1 || return 0
  git -C "$machines" add -A
  if [ -n "$keeps" ]; then
    git -C "$machines" diff --cached --quiet || git -C "$machines" commit -qm "$page"
  else
    git -C "$machines" reset -q --hard
  fi
}

# page PAGE: one that fails is counted in $failed, and keeps the others from nothing
page() {
  local status
  # not as a condition: that would switch -e off inside
  set +e
  (
    set -e
    # what a page started ends with it
    trap 'ended=$?; jobs -p | xargs -r kill 2>/dev/null || true; [ "$ended" = 0 ] || [ -z "$stage" ] || not_so "$stage"' EXIT
    run_page "$1"
  )
  status=$?
  set -e
  if [ "$status" != 0 ]; then
    keep=1 failed=1
    keeps='' settle
  fi
}

run_page() {
  local page=$1 scene=$root/tests/docs/pages/$1 start=$SECONDS count=0 left=0 key commands
  setup() { :; }
  before() { :; }
  after() { :; }
  keeps='' here=$machines line=0 command='' typed=''
  scene=${scene%.md}.sh
  # shellcheck disable=SC1090
  [ ! -e "$scene" ] || . "$scene"
  commands=$("$root/tests/docs/commands" "$root/$page")
  [ -n "$commands" ] || return 0
  stage='the setting of the page went wrong'
  : >"$work/screen"
  setup >"$work/screen" 2>&1
  stage=
  while IFS=$'\t' read -r line command <&3; do
    key="$page: $command"
    if [ -n "${reasons[$key]:-}" ]; then
      echo "$key" >>"$work/excused"
    elif tail -n +$((count + left + 2)) <<<"$commands" | cut -f2- | grep -xF -- "$command" >/dev/null; then
      : # where the page comes to it
    else
      [ -n "$quiet" ] || printf '%s:%s: %s\n' "$page" "$line" "$command"
      run_command
      count=$((count + 1))
      continue
    fi
    left=$((left + 1))
  done 3<<<"$commands"
  settle
  echo "$page $count $left $((SECONDS - start))" >>"$work/rows"
}

# A reason for nothing is a reason for too much.
check_excused() {
  local key stale=0
  for key in "${!reasons[@]}"; do
    [ -n "${reasons[$key]}" ] || { echo "tests/docs/excused gives no reason for $key" >&2 && stale=1; }
    grep -qxF -- "$key" "$work/excused" || { echo "tests/docs/excused has what no page has: $key" >&2 && stale=1; }
  done
  return "$stale"
}

table() {
  printf '\n%-36s %5s %5s %6s\n' page run not time
  awk '{ printf "%-36s %5d %5d %4d s\n", $1, $2, $3, $4; run += $2; left += $3; time += $4 }
    END { printf "%-36s %5d %5d %4d s\n", "all", run, left, time }' "$work/rows"
}
