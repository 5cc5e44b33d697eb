# The fleet at a glance. A row may also have: address ("bach.local"), user ("root"), port (22), tags ([ ]).
{
  bach = {
    system = "aarch64-linux";
    modules = [ ./bach ];
  };
}
