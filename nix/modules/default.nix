# Every host that spinet deploys to.
{
  imports = [
    ./deploy.nix
    ./requirements.nix
    ./store.nix
    ./wifi.nix
  ];
}
