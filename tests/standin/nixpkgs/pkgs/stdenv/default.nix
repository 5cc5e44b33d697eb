# mkDerivation with the machine's own bash and tools: no compiler, no bootstrap, no sandbox.
{ lib, system }:
let
  hostPlatform = lib.systems.elaborate system;
in
rec {
  inherit hostPlatform;
  buildPlatform = hostPlatform;
  isLinux = true;
  inherit system;

  mkDerivation =
    args:
    let
      attrs = if lib.isFunctionLike args then lib.fix args else args;
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      drv = derivation (
        lib.filterAttrs (_: v: v != null) (
          removeAttrs attrs [
            "meta"
            "passthru"
            "pos"
          ]
        )
        // {
          inherit name system;
          # `nix develop` looks for it in the environment.
          outputs = attrs.outputs or [ "out" ];
          builder = "/bin/bash";
          args = [ ./builder.sh ];
          stdenv = "${./.}";
        }
      );
    in
    drv
    // (attrs.passthru or { })
    // {
      meta = attrs.meta or { };
      passthru = attrs.passthru or { };
      overrideAttrs =
        f:
        let
          changed = f attrs;
        in
        mkDerivation (attrs // (if lib.isFunctionLike changed then changed attrs else changed));
    }
    // lib.optionalAttrs (attrs ? pname) { inherit (attrs) pname version; };
}
