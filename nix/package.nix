# The helper. Programs that must obey the user's configuration (ssh, nix, sudo) come from the
# user's PATH; those that read and check file systems are given along, after it.
{
  lib,
  rustPlatform,
  makeWrapper,
  e2fsprogs,
  util-linux,
}:
let
  manifest = (lib.importTOML ../Cargo.toml).package;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../src
      ./example-keys
      ../tests/keys
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ makeWrapper ];
  nativeCheckInputs = [ e2fsprogs ];

  postInstall = ''
    wrapProgram $out/bin/spinet --suffix PATH : ${
      lib.makeBinPath [
        e2fsprogs
        util-linux
      ]
    }
  '';

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "spinet";
    platforms = lib.platforms.linux;
  };
}
