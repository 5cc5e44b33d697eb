# The flake of the client: bach boots from a card, target has a disk and SSH.
{
  self,
  nixpkgs,
  agenix,
  spinet,
  # Who may log in and read the secrets.
  admin,
  # The machines are of the kind the test runs on: nothing is emulated.
  system,
  # What is new in target's configuration.
  change,
  ...
}:
spinet.lib.fleet {
  inherit self nixpkgs agenix;
  secrets = ./secrets/secrets.nix;
  specialArgs = { inherit admin spinet; };
  hosts = {
    bach = {
      inherit system;
      modules = [ ./hosts/bach.nix ];
      sdImage.imports = [
        ./hosts/release.nix
        (
          if system == "aarch64-linux" then
            "${spinet}/nix/modules/sd-image.nix"
          else
            ./hosts/sd-image-x86_64.nix
        )
      ];
    };
    target = {
      inherit system;
      address = "target";
      modules = [
        ./hosts/target.nix
        ./hosts/virtual-machine.nix
        ./hosts/release.nix
        change
      ];
    };
  };
}
