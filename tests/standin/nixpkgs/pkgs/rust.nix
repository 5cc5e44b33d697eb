# buildRustPackage with the machine's own cargo, offline, and a cache that outlives the build.
{ lib, final }:
{
  buildRustPackage =
    args:
    let
      attrs = if lib.isFunctionLike args then lib.fix args else args;
    in
    final.stdenv.mkDerivation (
      {
        installPhase = ''
          install -Dm755 -t $out/bin $(find "$CARGO_TARGET_DIR/release" -maxdepth 1 -type f -executable)
        '';
      }
      // removeAttrs attrs [
        "cargoLock"
        "cargoHash"
        "cargoDeps"
        "env"
      ]
      // (attrs.env or { })
      // {
        # The tests are run by tests/all, once, and not again by every package build.
        doCheck = false;
        buildPhase = attrs.buildPhase or ". ${./cargo-build.sh}";
      }
    );
}
