# What `nix flake check` builds, beside evaluating every host.
{ pkgs, spinet }:
let
  check = name: pkgs.runCommand "spinet-${name}" { nativeBuildInputs = [ pkgs.shellcheck ]; };
in
{
  inherit spinet;

  shell-scripts = check "shell-scripts" ''
    shellcheck ${../modules}/*.sh ${./.}/*.sh
    touch $out
  '';

  wifi-profiles = check "wifi-profiles" ''
    sh ${./wifi-profiles.sh} ${../modules/install-wifi-profiles.sh}
    touch $out
  '';

  example-keys = check "example-keys" ''
    sh ${./example-keys.sh} ${../modules/refuse-example-keys.sh} ${../example-keys}
    touch $out
  '';
}
