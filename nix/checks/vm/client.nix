# The machine spinet runs on: nix, git, a key, and all that evaluating the fleet comes to, built.
{
  source,
  adminKey,
  outputs,
  system,
}:
{ lib, pkgs, ... }:
{
  environment = {
    systemPackages = [
      pkgs.age
      pkgs.git
    ];
    etc = {
      fleet.source = source;
      admin-key.source = adminKey;
    };
  };

  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    flake-registry = "";
    substituters = lib.mkForce [ ];
  };

  # Answers to multicast DNS.
  networking.firewall.allowedUDPPorts = [ 5353 ];

  virtualisation = {
    cores = 2;
    memorySize = 4096;
    diskSize = 8192;
    writableStoreUseTmpfs = false;
    additionalPaths = [
      source
      outputs.packages.${system}.spinet
    ]
    ++ map (app: app.program) (lib.attrValues outputs.apps.${system})
    ++ lib.attrValues outputs.spinet.trials;
  };
}
