# agenix rules: who can read which secret. The example keys are published: put your own in their place.
let
  admin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICvCGww6PAuUQq74q2fNJz0wl+qk9robmcme7TyJ+cFK example-admin";
  bach = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF4Se/bXbnc5KJoQ6C5TmcKZFpu6WI9gu2wEzC6ba000 example-bach";
in
{
  "wifi-home.age".publicKeys = [
    admin
    bach
  ];
  "bach-password.age".publicKeys = [
    admin
    bach
  ];
}
