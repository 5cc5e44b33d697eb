# Time to pull the plug in the middle of the activation.
{
  environment.etc.change.text = "slow";
  system.activationScripts.slow = ''
    touch /run/slow
    sleep 600
  '';
}
