# target, as the test starts it and as the fleet configures it.
{ admin, lib, ... }:
{
  # A boot loader of its own, so that a restart boots what is permanent and not what the test driver names.
  virtualisation = {
    useBootLoader = true;
    useEFIBoot = true;
    diskSize = 8192;
    fileSystems."/".autoResize = true;
  };
  boot.growPartition = true;
  boot.loader.systemd-boot.enable = true;

  services.openssh.enable = true;
  users.users.root.openssh.authorizedKeys.keys = [ admin ];
  documentation.enable = false;
  # There is nobody to ask.
  nix.settings.substituters = lib.mkForce [ ];

  spinet.deploy.deadline = 90;
}
