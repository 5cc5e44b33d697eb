# What `nix flake check` builds, beside evaluating every host.
{ pkgs, spinet }:
{
  inherit spinet;

  shell-scripts = pkgs.runCommand "spinet-shell-scripts" { nativeBuildInputs = [ pkgs.shellcheck ]; } ''
    shellcheck ${../modules}/*.sh ${./.}/*.sh
    touch $out
  '';

  wifi-profiles = pkgs.runCommand "spinet-wifi-profiles" { } ''
    sh ${./wifi-profiles.sh} ${../modules/install-wifi-profiles.sh}
    touch $out
  '';

  example-keys = pkgs.runCommand "spinet-example-keys" { } ''
    sh ${./example-keys.sh} ${../modules/refuse-example-keys.sh} ${../example-keys}
    touch $out
  '';
}
