# docs/options.md, made of the options themselves. `nix build .#options` makes it, `nix flake check` compares.
{
  lib,
  # The options of a host with all of spinet's modules.
  options,
  # The flake, to tell its files from others.
  root,
}:
let
  documented = lib.filter (option: option.visible && !option.internal) (
    lib.optionAttrSetToDocList { inherit (options) spinet; }
  );
  byName = lib.sort (a: b: a.name < b.name) documented;

  module = option: lib.removePrefix "${root}/" (toString (lib.head option.declarations));
  modules = lib.unique (map module byName);

  value =
    { text, ... }:
    if lib.hasInfix "\n" text then
      "\n\n  ```nix\n  ${lib.replaceStrings [ "\n" ] [ "\n  " ] text}\n  ```"
    else
      " `${text}`";

  entry = option: ''
    ### `${option.name}`

    ${lib.removeSuffix "\n" option.description}

    - Type: ${option.type}
    ${lib.optionalString (option ? default) "- Default:${value option.default}\n"}${
      lib.optionalString (option ? example) "- Example:${value option.example}\n"
    }'';

  section = file: ''
    ## ${file}

    ${lib.concatStringsSep "\n" (map entry (lib.filter (option: module option == file) byName))}'';
in
''
  # Options

  Every option spinet's NixOS modules add. `lib.fleet` gives each host the first ones; a host imports
  `spinet.nixosModules.raspberry-pi` itself. Made by `nix build .#options`; do not edit.

  ${lib.concatStringsSep "\n" (map section modules)}''
