# shellcheck shell=bash disable=SC2034,SC2154
# Stand-in hosts as machines under QEMU, which boot their card by themselves. Sourced by tests/standin/host/lib.sh,
# whose functions for containers it replaces, so that up, boot, power-cut and down do the same to either kind.
# A power cut ends QEMU: what the machine had not written to its card by then is lost, as on a Pi.

runner=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/run

plug_in() {
  ip tuntap add "v-$1" mode tap
  ip addr add "10.77.$2.1/24" dev "v-$1"
  ip link set "v-$1" up
}

unplug() { ip link del "v-$1" 2>/dev/null || true; }

# The machine reads the card itself.
insert_card() { root_offset "$(cat "$hosts/$1/image")" >/dev/null; }
