# The part of nixpkgs' lib that spinet's flake and modules use, under the same names.
let
  basics = import ./basics.nix;
  strings = import ./strings.nix { inherit basics; };
  systems = import ./systems.nix;
  properties = import ./properties.nix { inherit lib; };
  types = import ./types.nix { inherit lib; };
  modules = import ./modules.nix { inherit lib; };
  docs = import ./docs.nix { inherit lib; };
  fileset = import ./fileset.nix { inherit lib; };

  lib =
    builtins
    // basics
    // strings
    // properties
    // modules
    // docs
    // {
      inherit types fileset systems;
      attrsets = basics;
      lists = basics;
      strings = basics // strings;
      trivial = basics;
      options = properties;
      licenses = basics.genAttrs [ "mit" "asl20" "gpl3Plus" ] (name: {
        spdxId = name;
      });
      platforms = {
        linux = [
          "x86_64-linux"
          "aarch64-linux"
        ];
        all = [ ];
      };
      maintainers = { };
    };
in
lib
