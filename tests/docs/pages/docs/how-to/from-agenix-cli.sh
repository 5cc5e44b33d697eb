# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2164
# In a folder with agenix rules alone.

setup() {
  agenix_folder "$work/from-agenix"
  here=$work/from-agenix
  ssh-keygen -q -t ed25519 -N '' -C bach -f "$here/ssh_host_ed25519_key"
}
