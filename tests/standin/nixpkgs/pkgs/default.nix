# The package set of one system, built by the machine's own shell.
{
  system,
  overlays ? [ ],
}:
let
  lib = import ../lib;
  base =
    final:
    let
      stdenv = import ./stdenv { inherit lib system; };
      tools = lib.mapAttrs final.linksTo (import ./tools.nix);
    in
    tools
    // import ./builders.nix { inherit lib stdenv; }
    // import ./kernel.nix { inherit lib final; }
    // {
      inherit
        lib
        stdenv
        system
        overlays
        ;
      pkgs = final;
      # Modules choose settings by it.
      nix = tools.nix // {
        version = "2.26.3";
      };
      stdenvNoCC = stdenv;
      coreutils-full = final.coreutils;
      runtimeShell = "/bin/sh";
      config = { };
      rustPlatform = import ./rust.nix { inherit lib final; };
      testers = import ./testers.nix { inherit lib final; };
      extend =
        overlay:
        import ./. {
          inherit system;
          overlays = overlays ++ [ overlay ];
        };
      callPackage = final.newScope { };
      newScope =
        extra: f: args:
        let
          function = if lib.isFunctionLike f then f else import f;
        in
        function (builtins.intersectAttrs (lib.functionArgs function) (final // extra) // args);
    };
  extended = lib.foldl' (
    self: overlay: final:
    let
      prev = self final;
    in
    prev // overlay final prev
  ) base overlays;
in
lib.fix extended
