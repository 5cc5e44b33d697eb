# For working on spinet itself.
{
  pkgs,
  spinet,
  agenix,
}:
pkgs.mkShell {
  inputsFrom = [ spinet ];
  packages = [
    # Rust
    pkgs.cargo-nextest
    pkgs.clippy
    pkgs.rust-analyzer
    pkgs.rustfmt
    # Nix and shell
    pkgs.deadnix
    pkgs.nixfmt
    pkgs.shellcheck
    pkgs.statix
    # what tests and benchmarks use or compare with
    agenix
    pkgs.age
    pkgs.dosfstools
    pkgs.e2fsprogs
    pkgs.iproute2
    pkgs.mkpasswd
    pkgs.mtools
    pkgs.openssh
    pkgs.qemu
    pkgs.util-linux
  ];
}
