# A store path tells no revision of nixpkgs: without this, the client's evaluation would differ from the one before.
{ lib, ... }:
{
  system.nixos = {
    label = lib.mkForce "test";
    revision = lib.mkForce null;
    versionSuffix = lib.mkForce "test";
  };
}
