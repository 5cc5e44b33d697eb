# Its permanent configuration is never built here: what counts is who may log in, and which secret it reads.
{ admin, ... }:
{
  spinet.wifi.networks.home.secret = ../secrets/wifi-home.age;
  users.users.root.openssh.authorizedKeys.keys = [ admin ];
  services.openssh.enable = true;
}
