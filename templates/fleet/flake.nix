{
  description = "Machines that boot from a card, brought up and kept up to date by spinet";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    agenix = {
      url = "github:ryantm/agenix";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.darwin.follows = "";
      inputs.home-manager.follows = "";
    };
    spinet = {
      url = "github:OWNER/spinet";
      inputs.nixpkgs.follows = "nixpkgs";
      inputs.agenix.follows = "agenix";
    };
  };

  outputs =
    {
      self,
      nixpkgs,
      agenix,
      spinet,
    }:
    spinet.lib.fleet {
      inherit self nixpkgs agenix;
      hosts = import ./hosts;
      secrets = ./secrets/secrets.nix;
    };
}
