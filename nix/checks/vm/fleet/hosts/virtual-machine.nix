# What the test framework gives to a machine it starts, for the configurations that are deployed to one.
{ modulesPath, ... }:
{
  imports = [
    "${modulesPath}/virtualisation/qemu-vm.nix"
    "${modulesPath}/testing/test-instrumentation.nix"
  ];

  # The second machine, by name, on the first network.
  networking.interfaces.eth1.ipv4.addresses = [
    {
      address = "192.168.1.2";
      prefixLength = 24;
    }
  ];
}
