# agenix rules. bach's key and the secret itself come with the bootstrap.
let
  admin = import ../admin.nix;
in
{
  "wifi-home.age".publicKeys = [ admin ];
}
