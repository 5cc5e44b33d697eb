# `spinet deploy`: a good change stays, one that locks everybody out is undone by the host, and so is one that the host
# lost its power in.
{
  agenix,
  spinet,
  fleet,
  admin,
  client,
  ...
}:
let
  system = change: (fleet change).nixosConfigurations.target.config.system.build.toplevel;
in
{
  name = "spinet-deploy";

  nodes = {
    client = {
      imports = [ client ];
      virtualisation.additionalPaths = map system [
        ./fleet/changes/good.nix
        ./fleet/changes/deaf.nix
        ./fleet/changes/slow.nix
      ];
    };

    target = {
      imports = [
        agenix.nixosModules.default
        spinet.nixosModules.default
        ./fleet/hosts/target.nix
      ];
      _module.args = { inherit admin; };
    };
  };

  testScript = builtins.readFile ./deploy.py;
}
