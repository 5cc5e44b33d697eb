# shellcheck shell=bash disable=SC2154
# Sourced as the build phase of a Rust package: compiles $program with the cargo of the machine and leaves it as ./built.
# The crates come from cargo's own folder (`cargo fetch --locked` fills it); compiled ones are kept below /var/tmp, which
# outlives a build and a reboot, so that a change in the package compiles the package alone.
user_home=$(getent passwd "$(id -u)" | cut -d: -f6)
CARGO_HOME=
for folder in "$user_home/.cargo" /usr/local/cargo /opt/cargo; do
  if [ -d "$folder/registry" ] || [ -x "$folder/bin/cargo" ]; then CARGO_HOME=$folder && break; fi
done
if [ -z "$CARGO_HOME" ]; then
  echo "No cargo folder was found at $user_home/.cargo or /usr/local/cargo: install Rust and run 'cargo fetch --locked'." >&2
  exit 1
fi
export CARGO_HOME
PATH=$CARGO_HOME/bin:$PATH
for folder in "$user_home/.rustup" /usr/local/rustup /opt/rustup; do
  if [ -d "$folder" ]; then export RUSTUP_HOME=$folder && break; fi
done

# A folder for each user, because cargo has to be able to write it.
CARGO_TARGET_DIR=/var/tmp/spinet-standin-$(id -u)/target
# Link-time optimisation would take longer than everything else.
export CARGO_PROFILE_RELEASE_LTO=off
export CARGO_TARGET_DIR
mkdir -p "$CARGO_TARGET_DIR"
# Two builds at once must not take each other's program.
exec 9> "$CARGO_TARGET_DIR/lock"
flock 9
cargo build --release --offline --locked --quiet
cp "$CARGO_TARGET_DIR/release/$program" built
exec 9>&-
