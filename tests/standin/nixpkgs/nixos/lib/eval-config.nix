# lib.nixosSystem: the modules of a host and those of the stand-in, evaluated together.
{
  modules,
  system ? null,
  specialArgs ? { },
  ...
}:
let
  lib = import ../../lib;
  evaluated = lib.evalModules {
    # NixOS options that the stand-in does not declare are accepted; spinet's own must exist.
    open =
      loc:
      !builtins.elem (builtins.head loc) [
        "spinet"
        "age"
      ];
    specialArgs = {
      modulesPath = toString ../modules;
    }
    // specialArgs;
    modules = [
      {
        _file = "nixosSystem";
        nixpkgs.hostPlatform = lib.mkIf (system != null) (lib.mkDefault system);
      }
    ]
    ++ import ../modules/module-list.nix
    ++ modules;
  };
  complete =
    result:
    result
    // {
      inherit (result._module) args;
      pkgs = result.config._module.args.pkgs;
      inherit lib;
      extendModules = more: complete (result.extendModules more);
    };
in
complete evaluated
