# Public keys: who logs in to the hosts and reads the secrets. spinet adds the keys of hosts that read some.
{
  # EDIT 1 of 2: your public key (`cat ~/.ssh/id_ed25519.pub`), in quotes, in the place of all from `throw` to the last quote.
  admin = throw "keys.nix, line 4: put your own public key there, as `cat ~/.ssh/id_ed25519.pub` prints it.";
}
