#!/bin/bash
# The guard's cases against a stand-in host with a real systemd, with toy systems. Fails if any assertion does.
# Usage: guard.sh [CASE..]; SPINET_TEST_SSH: words of the ssh command that reaches its root;
# power cuts and a dead sshd are the rehearsal's.
# shellcheck disable=SC2016,SC2029,SC2086,SC2317,SC2329 # scripts expand on the host; cases are called by name
set -u
read -ra ssh <<<"${SPINET_TEST_SSH:?}"
here=$(dirname "$0")
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
G='sh /run/spinet/guard.sh' bad=0
S() { timeout "${TO:-60}" "${ssh[@]}" "$@"; }
waitup() {
  for _ in {1..40}; do
    TO=3 S true 2>/dev/null && return 0
    sleep 0.3
  done
  echo "The host does not come back."
  exit 1
}
push() { cat "$here"/../src/host/guard/*.sh | S 'mkdir -p /run/spinet; cat > /run/spinet/guard.sh'; }
begin() {
  waitup
  push
  S 'cat > /run/toy' <<'TOY'
#!/bin/sh
# toy.sh NAME HOOK: prints the store path of a toy system
d=/tmp/$1; rm -rf $d; mkdir -p $d/bin $d/sw
ln -s /usr/bin $d/sw/bin; printf '%s\n' "$2" > $d/hook
cat > $d/bin/switch-to-configuration <<'S'
#!/bin/bash
t=$(dirname $(dirname $(readlink -f $0)))
exec 9>/run/switch.lock; flock -n 9 || { echo locked; exit 1; }
if [ "$1" = boot ]; then
  printf 'DEFAULT nixos-default\nTIMEOUT 1\nLABEL nixos-default\n  MENU LABEL x\n  LINUX k\n  APPEND init=%s/init loglevel=4\nLABEL nixos-1\n  APPEND init=/nix/store/other/init\n' $t > /boot/extlinux/extlinux.conf.tmp; mv /boot/extlinux/extlinux.conf.tmp /boot/extlinux/extlinux.conf
  . $t/hook boot; exit 0
fi
echo "$t" >> /var/log/switches
ln -sfn $t /run/current-system
code=0
. $t/hook test
echo done $t; exit $code
S
chmod +x $d/bin/switch-to-configuration
export NIX_CONFIG="build-users-group ="
nix-store --add $d
TOY
}
st() { S "$G status" | sed -n "s/^$1=//p"; }
ok() {
  [ "$2" != "$3" ] || return 0
  echo "FAIL $case: $1: wanted '$3', got '$2'"
  bad=1
  S "journalctl -o cat -n 15 -t spinet-guard-$A"
}
until_phase() {
  for _ in $(seq $((${2:-30} * 3))); do
    p=$(st phase)
    case " $1 " in *" $p "*) return 0 ;; esac
    sleep 0.3
  done
  ok phase "$p" "$1"
}
new() {
  A=$1-$RANDOM
  N=$(S "sh /run/toy $1-$RANDOM '$2'" 2>/dev/null)
}
start() { S "$G protect $A $N && $G start $A $N ${1:-8} ${2:-switch} \"\$SSH_CONNECTION\""; }
ids() {
  ok "$1 current" "$(st current)" "$2"
  ok "$1 profile" "$(st profile_now)" "$2"
  ok "$1 entry" "$(st entry_now)" "$2"
}
case_success() {
  new good :
  start
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 0
  ok phase "$(st phase)" committed
  ids committed $N
  BASE=$N
  ok roots "$(S 'ls /nix/var/nix/gcroots/spinet | wc -l')" 0
  ok timers "$(S 'systemctl list-timers --all | grep -c spinet')" 0
  S "$G confirm $A" >/dev/null
  ok "confirm twice" $? 0
}
case_noconfirm() {
  new quiet :
  start 4
  until_phase undone
  ids undone $BASE
  ok reason "$(st reason)" "Nobody confirmed in time."
  S "$G confirm $A" >/dev/null
  ok late $? 4
  ok log "$(S 'tail -n 2 /var/lib/spinet/guard/log | cut -d " " -f 3-4')" "$(printf 'committed %s\nundone %s' "$BASE" "$N")"
}
# Logins over a link-local address have its interface in their name; a broken link is noticed all the same.
case_linklocal() {
  local own
  own=$(S 'ip -6 -o addr show dev wlan0 scope link' | sed 's|.* inet6 \([^/]*\)/.*|\1|')
  new linklocal :
  S "$G protect $A $N && $G start $A $N 4 switch 'fe80::1%wlan0 40000 $own%wlan0 22'"
  until_phase undone
  ok probe "$(S 'sed -n s/^probe=//p /run/spinet/state')" yes
}
case_hang() {
  new hang 'sleep 1000'
  start 4
  until_phase undone
  ids undone $BASE
  ok "no child left" "$(S 'pgrep -fc "^sleep 1000"')" 0
  ok reason "$(st reason)" "The switch did not end in time."
}
case_unitfails() {
  new failing '[ $1 = boot ] || { systemd-run --unit=broken --service-type=oneshot false; code=4; }'
  start 30
  until_phase undone 30
  ids undone $BASE
  ok reason "$(st reason)" "Units failed: broken.service."
  S systemctl reset-failed
}
case_recovers() {
  new recovering '[ $1 = boot ] || { systemd-run --unit=broken --service-type=oneshot false; (sleep 3; systemctl reset-failed broken) & code=4; }'
  start 30
  until_phase waiting 30
  S "$G undo $A" >/dev/null
  ok "undo rc" $? 0
  ids undone $BASE
}
case_exit100() {
  new inhibited 'code=100; ln -sfn '$BASE' /run/current-system'
  start
  until_phase undone
  ids undone $BASE
  st reason
}
case_second() {
  new first :
  start 8
  F=$A
  until_phase waiting
  new second :
  out=$(start)
  ok rc $? 3
  ok holder "$out" "refused=$F"
  S "$G confirm $A" >/dev/null
  ok "foreign confirm" $? 4
  S "$G undo $F" >/dev/null
  ok "undo by another client" $? 0
  ids undone $BASE
}
case_stale() {
  A=stale-1
  S "touch /run/spinet/confirmed-old /run/spinet/token-old"
  new stale :
  start 4
  S "$G confirm old" >/dev/null
  ok rc $? 4
  until_phase undone
  ids undone $BASE
}
case_killed() {
  new killed :
  start 4
  until_phase waiting
  S "systemctl kill -s KILL spinet-guard-$A"
  sleep 0.5
  ok guard "$(st guard)" none
  until_phase undone 30
  ids undone $BASE
  st reason
}
case_killedconfirm() {
  new killedc :
  start 20
  until_phase waiting
  S "systemctl kill -s KILL spinet-guard-$A"
  sleep 0.5
  S "$G confirm $A" >/dev/null
  ok rc $? 0
  ids committed $N
  BASE=$N
}
case_nixenv() {
  new nixenv :
  PB=$(S readlink /nix/var/nix/profiles/system)
  S 'mount --bind /bin/false /usr/bin/nix-env'
  start
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 4
  S 'umount /usr/bin/nix-env'
  ids undone $BASE
  ok link "$(S readlink /nix/var/nix/profiles/system)" $PB
  st reason
}
case_bootfails() {
  new noboot '[ $1 = test ] || exit 1'
  PB=$(S readlink /nix/var/nix/profiles/system)
  start
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 4
  ids undone $BASE
  ok link "$(S readlink /nix/var/nix/profiles/system)" $PB
  st reason
}
case_test() {
  new testmode :
  start 20 test
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 0
  ok phase "$(st phase)" tested
  ok current "$(st current)" $N
  ok profile "$(st profile_now)" $BASE
  new after :
  start 4
  until_phase undone
  ids undone $BASE
}
case_follow() {
  new followed 'sleep 2; echo hello from the switch'
  start 20
  # it ends by itself as soon as a word is waited for
  S "$G follow $A" >"$scratch"
  ok "follow rc" $? 0
  ok "follow" "$(grep -c "^hello from the switch\|^spinet-waiting $A$" "$scratch")" 2
  ok "beats" "$(($(grep -c '^spinet-beat$' "$scratch") > 1))" 1
  ok phase "$(st phase)" waiting
  S "$G confirm $A" >/dev/null
  S "$G follow $A" >"$scratch"
  ok "follow afterwards" "$(grep -c "^spinet-waiting $A$" "$scratch")" 1
  # the start of an attempt can get lost on the way
  S "timeout 30 $G follow never-1" >"$scratch"
  ok "follow of none rc" $? 0
  ok "follow of none" "$(grep -vc '^spinet-beat$' "$scratch")" 0
  BASE=$N
}
# Without room for its state nothing begins, and nothing tells of a beginning.
case_noroom() {
  local before
  before=$(st id)
  S 'mkdir /var/lib/spinet/guard/state.tmp'
  new noroom :
  start 2>/dev/null
  ok rc $? 1
  ok id "$(st id)" "$before"
  ok withdrawn "$(S "$G withdraw $A")" "withdrawn=$A"
  ids unchanged $BASE
  S 'rmdir /var/lib/spinet/guard/state.tmp'
}
# Only what boots changes; what runs stays, and is what the next attempt goes back to.
case_boot() {
  local prior=$BASE
  new staged :
  start 20 boot
  until_phase committed
  ok current "$(st current)" $prior
  ok profile "$(st profile_now)" $N
  ok entry "$(st entry_now)" $N
  ok permanent "$(st permanent)" $N
  ok confirmed "$(st confirmed)" $prior
  new after :
  start 4
  until_phase undone
  ok "undone current" "$(st current)" $prior
  S "$prior/bin/switch-to-configuration boot; nix-env -p /nix/var/nix/profiles/system --set $prior; echo $prior >/var/lib/spinet/guard/permanent"
}
# The history is a stack: a rollback takes its top off.
case_history() {
  local first=$BASE second third
  new second :
  start 20
  until_phase waiting
  S "$G confirm $A" >/dev/null
  second=$N
  ok previous "$(st previous)" $first
  new third :
  start 20
  until_phase waiting
  S "$G confirm $A" >/dev/null
  third=$N
  ok previous "$(st previous)" $second
  A=back-$RANDOM N=$second
  start 20
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok "previous after going back from $third" "$(st previous)" $first
  ids back $second
  BASE=$second
}
# A specialisation runs and boots; the profile is the system it belongs to.
case_special() {
  new special 'mkdir -p $t/specialisation'
  S "mkdir -p /tmp/s && cp -r $N /tmp/s/base && chmod -R u+w /tmp/s/base && mkdir /tmp/s/base/specialisation && ln -s $BASE /tmp/s/base/specialisation/road"
  N=$(S 'export NIX_CONFIG="build-users-group ="; nix-store --add /tmp/s/base; rm -rf /tmp/s' 2>/dev/null)
  S "$G protect $A $N && $G start $A $N 20 switch \"\$SSH_CONNECTION\" road"
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 0
  ok current "$(st current)" $BASE
  ok profile "$(st profile_now)" $N
  ok entry "$(st entry_now)" $BASE
  S "$G start x-$RANDOM $N 20 switch '' ../../etc"
  ok "a path for a name" $? 2
  A=plain-$RANDOM N=$BASE
  start 20
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ids plain $BASE
}
case_clientkilled() {
  new ck '[ $1 = boot ] || sleep 2'
  start 12 &
  p=$!
  sleep 0.6
  kill -9 $p
  pkill -9 -P $p
  until_phase waiting
  S "$G confirm $A" >/dev/null
  ok rc $? 0
  ids committed $N
  BASE=$N
}
begin
BASE=$(S 'readlink -f /nix/var/nix/profiles/system')
S "test -x $BASE/bin/switch-to-configuration" || {
  BASE=$(S 'sh /run/toy base :' 2>/dev/null)
  S "$BASE/bin/switch-to-configuration test; $BASE/bin/switch-to-configuration boot; ln -sfn $BASE /run/booted-system"
}
[ $# -gt 0 ] || set -- success noconfirm linklocal hang unitfails recovers exit100 second stale killed killedconfirm nixenv bootfails \
  follow noroom clientkilled boot history special test
for case in "$@"; do "case_$case"; done >&2
exit "$bad"
