# For running a fleet: spinet, what it calls, and what the editor wants.
{ pkgs, spinet }:
pkgs.mkShell {
  packages = [
    spinet
    pkgs.age
    pkgs.git
    pkgs.mkpasswd
    pkgs.nix
    pkgs.nixd
    pkgs.nixfmt
    pkgs.openssh
  ];
}
