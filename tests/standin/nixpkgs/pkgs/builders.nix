# The trivial builders of nixpkgs, and `linksTo`, which is how the stand-in makes a package.
{
  lib,
  stdenv,
}:
let
  inherit (stdenv) mkDerivation;
  writeText' =
    attrs: text:
    mkDerivation (
      attrs
      // {
        inherit text;
        passAsFile = [ "text" ];
      }
    );
in
rec {
  linksTo =
    name: programs:
    mkDerivation {
      pname = name;
      version = "0";
      inherit programs;
      buildCommand = ''
        mkdir -p $out/bin
        for program in $programs; do
          case $program in
            sbin/*) ln -s /usr/$program $out/bin/ ;;
            *) ln -s /usr/bin/$program $out/bin/ ;;
          esac
        done
        if [ -L $out/bin/sshd ] || [ -L $out/bin/avahi-daemon ]; then ln -s bin $out/sbin; fi
      '';
      meta.mainProgram =
        {
          bashInteractive = "bash";
          util-linux = "mount";
          openssh = "ssh";
          gnugrep = "grep";
          gnused = "sed";
          systemd = "systemctl";
          iwd = "iwctl";
        }
        .${name} or name;
    };

  runCommand =
    name: env: buildCommand:
    mkDerivation (env // { inherit name buildCommand; });
  runCommandLocal = runCommand;
  runCommandNoCC = runCommand;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      ...
    }:
    writeText' {
      inherit name meta;
      buildCommand = ''
        target=$out${lib.escapeShellArg destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${lib.optionalString executable ''chmod +x "$target"''}
        ${checkPhase}
      '';
    } text;
  writeText = name: text: writeTextFile { inherit name text; };
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  writeShellScript = name: text: writeScript name "#!/bin/bash\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!/bin/bash\n${text}";
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      bashOptions ? [
        "errexit"
        "nounset"
        "pipefail"
      ],
      ...
    }:
    writeShellScriptBin name ''
      ${lib.concatMapStrings (o: "set -o ${o}\n") bashOptions}
      export PATH="${lib.makeBinPath runtimeInputs}''${PATH:+:$PATH}"
      ${text}
    '';

  linkFarm =
    name: entries:
    let
      named = lib.mapAttrsToList (name: path: { inherit name path; });
      list = if builtins.isAttrs entries then named entries else entries;
    in
    runCommand name { } (
      "mkdir -p $out\n"
      + lib.concatMapStrings (e: ''
        mkdir -p "$(dirname "$out/${e.name}")"
        ln -s ${e.path} "$out/${e.name}"
      '') list
    );
  symlinkJoin =
    {
      name,
      paths,
      postBuild ? "",
      ...
    }:
    runCommand name { inherit paths; } ''
      mkdir -p $out
      for path in $paths; do cp -rs --no-preserve=mode $path/. $out/ 2> /dev/null || true; done
      ${postBuild}
    '';
  buildEnv = args: symlinkJoin { inherit (args) name paths; };

  # The store paths of a closure, as nixpkgs' closureInfo gives them.
  closureInfo =
    { rootPaths }:
    runCommand "closure-info"
      {
        exportReferencesGraph = lib.concatLists (
          lib.imap0 (i: p: [
            "graph-${toString i}"
            p
          ]) rootPaths
        );
      }
      ''
        mkdir -p $out
        bash ${./closure-info.sh} graph-* > $out/registration
        grep -h ^/nix/store graph-* | grep -v '\.drv$' | sort -u > $out/store-paths
      '';

  mkShell =
    {
      name ? "shell",
      packages ? [ ],
      inputsFrom ? [ ],
      nativeBuildInputs ? [ ],
      ...
    }@args:
    mkDerivation (
      removeAttrs args [
        "packages"
        "inputsFrom"
      ]
      // {
        inherit name;
        nativeBuildInputs =
          packages ++ nativeBuildInputs ++ lib.concatMap (p: p.nativeBuildInputs or [ ]) inputsFrom;
        buildCommand = "export > $out";
      }
    );
  mkShellNoCC = mkShell;

  installShellFiles = linksTo "installShellFiles" "";
  makeWrapper = linksTo "makeWrapper" "";
  makeBinaryWrapper = makeWrapper;

  formats =
    let
      format = _extension: generate: _: {
        type = lib.types.anything;
        generate = name: value: writeText name (generate value);
      };
    in
    {
      json = format "json" builtins.toJSON;
      ini = format "ini" (lib.generators.toINI { });
      keyValue = format "conf" (lib.generators.toKeyValue { });
    };
}
