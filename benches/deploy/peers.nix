# What deploy-rs and colmena look for in a flake, in the shape that their own libraries give it (deploy-rs' `activate.nixos`,
# colmena's `makeHive`): those need more of nixpkgs than the stand-in has.
{ self, nixpkgs }:
let
  inherit (nixpkgs) lib;
  systems = self.nixosConfigurations;
  toplevel = lib.mapAttrs (_: system: system.config.system.build.toplevel) systems;
  only = names: lib.filterAttrs (name: _: lib.elem name names);

  # Where this machine's `activate` of deploy-rs is; empty without it. No sandbox hides it from the builder.
  program = lib.removeSuffix "\n" (builtins.readFile ../../hosts/activate);
  # once, whatever changes in the hosts
  activate = pkgs: pkgs.runCommand "deploy-rs-activate" { } "install -D ${program} $out/bin/activate";
  activatable =
    name:
    let
      inherit (systems.${name}) pkgs;
    in
    pkgs.runCommand "activatable-${name}" { } ''
      mkdir $out
      ln -s ${toplevel.${name}}/* $out/
      cat >$out/deploy-rs-activate <<'SCRIPT'
      #!/bin/sh
      set -eu
      cd /tmp
      $PROFILE/bin/switch-to-configuration switch
      SCRIPT
      cat >$out/activate-rs <<'SCRIPT'
      #!/bin/sh
      exec ${activate pkgs}/bin/activate "$@"
      SCRIPT
      chmod +x $out/deploy-rs-activate $out/activate-rs
    '';
in
{
  deploy.nodes = lib.mapAttrs (name: _: {
    hostname = name;
    sshUser = "root";
    profiles.system = {
      user = "root";
      path = activatable name;
    };
  }) systems;

  colmenaHive = {
    __schema = "v0.5";
    nodes = systems;
    inherit toplevel;
    metaConfig = {
      name = "bench";
      description = "";
      machinesFile = null;
      allowApplyAll = true;
    };
    deploymentConfigSelected =
      names:
      lib.genAttrs names (name: {
        targetHost = name;
        targetUser = "root";
        targetPort = null;
        allowLocalDeployment = false;
        buildOnTarget = false;
        tags = [ ];
        replaceUnknownProfiles = true;
        privilegeEscalationCommand = [
          "sudo"
          "-H"
          "--"
        ];
        sshOptions = [ ];
        keys = { };
      });
    evalSelected = names: only names toplevel;
    evalSelectedDrvPaths = names: lib.mapAttrs (_: system: system.drvPath) (only names toplevel);
  };
}
