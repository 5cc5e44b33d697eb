# shellcheck shell=bash
# Sourced as the build phase of a Rust package: compiles it with the cargo of the machine.
# The crates come from its registry folder (`cargo fetch --locked` fills it), compiled crates stay in /var/tmp so that
# only the package itself is compiled again after a change.
user_home=$(getent passwd "$(id -u)" | cut -d: -f6)
cargo_home=
for folder in "$user_home/.cargo" /usr/local/cargo /opt/cargo; do
  if [ -x "$folder/bin/cargo" ] || [ -d "$folder/registry" ]; then cargo_home=$folder && break; fi
done
if [ -z "$cargo_home" ]; then
  echo "No cargo was found in $user_home/.cargo or /usr/local/cargo: install Rust with rustup and run 'cargo fetch --locked'." >&2
  exit 1
fi
export CARGO_HOME=$cargo_home
PATH=$CARGO_HOME/bin:$PATH
for folder in "$user_home/.rustup" /usr/local/rustup /opt/rustup; do
  if [ -d "$folder" ]; then export RUSTUP_HOME=$folder && break; fi
done
# One folder for each user, because cargo must be able to write it.
export CARGO_TARGET_DIR=/var/tmp/spinet-standin-$(id -u)/target
mkdir -p "$CARGO_TARGET_DIR"
cargo build --release --offline --locked --quiet
