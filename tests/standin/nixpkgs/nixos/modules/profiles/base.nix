# The tools of NixOS' installers; modules name this file to leave them out.
{ }
