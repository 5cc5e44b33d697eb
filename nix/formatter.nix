# `nix fmt`: nixfmt (RFC 166) for Nix, rustfmt for Rust, on the files git knows. `nix fmt -- --check` changes nothing.
{
  writeShellApplication,
  cargo,
  git,
  nixfmt,
  rustfmt,
}:
writeShellApplication {
  name = "spinet-fmt";
  runtimeInputs = [
    cargo
    git
    nixfmt
    rustfmt
  ];
  text = ''
    check=()
    for argument in "$@"; do
      # nix used to name the folder itself
      case $argument in
        .) ;;
        --check) check=(--check) ;;
        *)
          echo "nix fmt formats the whole repository; the only argument is --check, not $argument." >&2
          exit 2
          ;;
      esac
    done
    cd "$(git rev-parse --show-toplevel)"
    git ls-files -z -- '*.nix' | xargs -0 nixfmt "''${check[@]}"
    cargo fmt -- "''${check[@]}"
  '';
}
