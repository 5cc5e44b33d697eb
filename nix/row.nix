# What lib.fleet adds to the configuration of one host: its row, and what the rules say of the secrets it uses.
{
  name,
  row,
  # What the flake's rules and pins say.
  rules,
}:
{ config, lib, ... }:
let
  inherit (rules)
    bare
    folder
    recipients
    relative
    ;
  pinned = rules.pinned name;

  # With an identity of another kind the rules name that one, which is nowhere pinned.
  readsWithHostKey =
    lib.intersectLists config.age.identityPaths (map (key: key.path) config.services.openssh.hostKeys)
    != [ ];

  used = lib.filter (lib.hasPrefix folder) (
    map (secret: relative secret.file) (lib.attrValues config.age.secrets)
  );
  unruled = lib.filter (file: !recipients ? ${file}) used;
  unreadable = lib.filter (
    file: recipients ? ${file} && lib.intersectLists pinned (map bare recipients.${file}) == [ ]
  ) used;
  names = lib.concatMapStringsSep ", " (lib.removePrefix folder);

  differs = key: config.spinet.deploy.${key} != row.${key};
in
{
  networking.hostName = lib.mkDefault name;
  nixpkgs.hostPlatform = lib.mkDefault row.system;
  spinet.deploy = {
    user = lib.mkDefault row.user;
    address = lib.mkDefault row.address;
    port = lib.mkDefault row.port;
    tags = lib.mkDefault row.tags;
  };

  assertions = [
    {
      assertion =
        !lib.any differs [
          "address"
          "port"
          "tags"
        ];
      message = ''
        spinet.deploy.address, port and tags of ${name} are read from its row, before its configuration is evaluated. Set
        them there (hosts/default.nix), and not in a module.
      '';
    }
    {
      assertion = unruled == [ ];
      message = ''
        ${rules.path} has no rule for what ${name} uses: ${names unruled}. Add for each file

            "FILE".publicKeys = [ YOUR-KEY ${name} ];

        and run `spinet secrets rekey`.
      '';
    }
    {
      assertion = pinned == [ ] || !readsWithHostKey || unreadable == [ ];
      message = ''
        ${name} could not decrypt what it uses: its key, as ${rules.knownHosts} pins it, is no recipient of
        ${names unreadable}. Add it in ${rules.path}, and run `spinet secrets rekey`.
      '';
    }
  ];
}
