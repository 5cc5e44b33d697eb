# Tests in virtual machines, on NixOS itself: what the stand-ins of tests/ cannot show.
#
# A machine of a test has no network. Its client has a flake, whose inputs are store paths, and evaluates it as any user's
# machine does. What the flake builds is built before, from the same files, and lies in the client's store: an evaluation
# that came to anything else would have to build, which without a network fails.
{
  self,
  nixpkgs,
  agenix,
  pkgs,
}:
let
  inherit (pkgs.stdenv.hostPlatform) system;
  # A key pair that nixpkgs publishes for its own tests.
  inherit (import "${nixpkgs}/nixos/tests/ssh-keys.nix" pkgs)
    snakeOilEd25519PrivateKey
    snakeOilEd25519PublicKey
    ;

  # The outputs of the client's flake after one of the files in fleet/changes took the place of change.nix.
  fleet =
    change:
    import ./fleet/outputs.nix {
      self.outPath = toString ./fleet;
      spinet = self;
      admin = snakeOilEd25519PublicKey;
      inherit
        nixpkgs
        agenix
        system
        change
        ;
    };

  flake = pkgs.writeText "flake.nix" ''
    {
      inputs = {
        nixpkgs.url = "path:${nixpkgs}";
        agenix.url = "path:${agenix}";
        agenix.inputs.nixpkgs.follows = "nixpkgs";
        agenix.inputs.darwin.follows = "";
        agenix.inputs.home-manager.follows = "";
        agenix.inputs.systems.url = "path:${agenix.inputs.systems}";
        spinet.url = "path:${self}";
        spinet.inputs.nixpkgs.follows = "nixpkgs";
        spinet.inputs.agenix.follows = "agenix";
      };
      outputs = inputs: import ./outputs.nix (inputs // {
        admin = import ./admin.nix;
        system = "${system}";
        change = ./change.nix;
      });
    }
  '';

  # What the client starts from: the folder fleet, the flake above, and no change.
  source = pkgs.runCommand "fleet" { } ''
    cp -r --no-preserve=mode ${./fleet} $out
    cp ${flake} $out/flake.nix
    cp $out/changes/none.nix $out/change.nix
    echo '"${snakeOilEd25519PublicKey}"' > $out/admin.nix
  '';

  arguments = {
    inherit agenix fleet system;
    spinet = self;
    admin = snakeOilEd25519PublicKey;
    client = import ./client.nix {
      inherit source;
      adminKey = snakeOilEd25519PrivateKey;
      outputs = fleet ./fleet/changes/none.nix;
      inherit system;
    };
  };
in
{
  vm-card = pkgs.testers.runNixOSTest (import ./card.nix arguments);
  vm-deploy = pkgs.testers.runNixOSTest (import ./deploy.nix arguments);
}
