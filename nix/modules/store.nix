# The store of a board whose power may go at any time, and which builds nothing itself.
{ config, lib, ... }:
{
  # Nix would otherwise register paths that a power cut leaves empty on the card.
  nix.settings = lib.mkIf (lib.versionAtLeast (lib.getVersion config.nix.package) "2.25") {
    fsync-store-paths = lib.mkDefault true;
  };

  # nixosSystem adds the whole source of nixpkgs to every system: some 50,000 files to copy.
  nixpkgs.flake = {
    setNixPath = lib.mkDefault false;
    setFlakeRegistry = lib.mkDefault false;
  };
}
