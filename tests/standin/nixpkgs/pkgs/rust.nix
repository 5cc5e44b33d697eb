# buildRustPackage with the machine's own cargo, offline, and a cache that outlives the build.
{ lib, final }:
{
  buildRustPackage =
    args:
    let
      attrs = if lib.isFunctionLike args then lib.fix args else args;
    in
    final.stdenv.mkDerivation (
      removeAttrs attrs [
        "cargoLock"
        "cargoHash"
        "cargoDeps"
        "env"
      ]
      // (attrs.env or { })
      // {
        program = attrs.meta.mainProgram or attrs.pname;
        # The tests are run by tests/all, once, and not again by every package build.
        doCheck = false;
        buildPhase = ". ${./cargo-build.sh}";
        installPhase = ''install -Dm755 built "$out/bin/$program"'';
      }
    );
}
