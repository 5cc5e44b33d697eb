# The helper. Programs that must obey the user's configuration (ssh, nix, sudo) come from the
# user's PATH; those that read and check file systems are given along, after it.
{
  lib,
  rustPlatform,
  stdenv,
  e2fsprogs,
  installShellFiles,
  iw,
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
      # the man page has parts of it
      ../docs/reference.md
      ../benches
      ./example-keys
      ../tests/keys
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;

  # Where the program finds them even when sudo has dropped the user's PATH.
  env.SPINET_TOOLS = lib.makeBinPath [
    e2fsprogs
    iw
    util-linux
  ];
  nativeCheckInputs = [ e2fsprogs ];

  nativeBuildInputs = [ installShellFiles ];
  # made by the program itself, which a build for another architecture cannot run
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/spinet man man
    installManPage man/*
    installShellCompletion --cmd spinet \
      --bash <($out/bin/spinet completions bash) \
      --zsh <($out/bin/spinet completions zsh) \
      --fish <($out/bin/spinet completions fish)
  '';

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "spinet";
    platforms = lib.platforms.linux;
  };
}
