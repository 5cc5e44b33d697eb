# For working on spinet itself.
{
  pkgs,
  spinet,
  agenix,
}:
pkgs.mkShell {
  inputsFrom = [ spinet ];
  packages = [
    agenix
    pkgs.age
    pkgs.cargo-nextest
    pkgs.clippy
    pkgs.e2fsprogs
    pkgs.mkpasswd
    pkgs.nixfmt
    pkgs.rust-analyzer
    pkgs.rustfmt
    pkgs.shellcheck
  ];
}
