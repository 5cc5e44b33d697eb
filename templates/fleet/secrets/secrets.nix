# agenix rules: who can read which secret. spinet adds the hosts' keys.
let
  inherit (import ../keys.nix) admin;
in
{
  # "wifi-home.age".publicKeys = [ admin ];
}
