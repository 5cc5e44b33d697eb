# What `nix flake check` builds, beside evaluating every host.
{
  nixpkgs,
  agenix,
  pkgs,
  spinet,
  # This flake.
  root,
  # docs/options.md as it should be.
  options,
}:
let
  check = name: pkgs.runCommand "spinet-${name}" { nativeBuildInputs = [ pkgs.shellcheck ]; };
in
{
  inherit spinet;

  nix-files =
    pkgs.runCommand "spinet-nix-files"
      {
        nativeBuildInputs = [
          pkgs.deadnix
          pkgs.nixfmt
          pkgs.statix
        ];
      }
      ''
        sh ${./nix-files.sh} ${root}
        touch $out
      '';

  options-reference = check "options-reference" ''
    if ! diff ${root}/docs/options.md ${options}; then
      echo "docs/options.md is not what the options say. Run: cp $(nix build --print-out-paths .#options) docs/options.md" >&2
      exit 1
    fi
    touch $out
  '';

  shell-scripts = check "shell-scripts" ''
    shellcheck ${../modules}/*.sh ${./.}/*.sh
    touch $out
  '';

  wifi-profiles = check "wifi-profiles" ''
    sh ${./wifi-profiles.sh} ${../modules/install-wifi-profiles.sh}
    touch $out
  '';

  wpa-networks =
    pkgs.runCommand "spinet-wpa-networks" { nativeBuildInputs = [ pkgs.wpa_supplicant ]; }
      ''
        sh ${./wpa-networks.sh} ${../modules/install-wpa-networks.sh}
        touch $out
      '';

  example-keys = check "example-keys" ''
    sh ${./example-keys.sh} ${../modules/refuse-example-keys.sh} ${../example-keys}
    touch $out
  '';
}
// import ./vm {
  inherit nixpkgs agenix pkgs;
  self = root;
}
