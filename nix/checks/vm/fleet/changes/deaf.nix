# All units start and nobody can log in any more, other than over a connection that stands.
{
  environment.etc.change.text = "deaf";
  services.openssh.openFirewall = false;
}
