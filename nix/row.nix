# What lib.fleet adds to the configuration of one host: its row, and what the rules say of the secrets it uses.
{
  name,
  row,
  # Recipients by file, relative to the flake: { "secrets/wifi-home.age" = [ "ssh-ed25519 AAAA.. admin" ]; }
  recipients,
  # The file of the rules, and that of the pinned keys, for messages.
  rules,
  knownHosts,
  # The keys pinned for this host: [ "ssh-ed25519 AAAA.." ]
  pinned,
  relative,
}:
{ config, lib, ... }:
let
  # "ssh-ed25519 AAAA.. comment" -> "ssh-ed25519 AAAA.."
  bare =
    key: lib.concatStringsSep " " (lib.take 2 (lib.filter (w: w != "") (lib.splitString " " key)));

  # With an identity of another kind the rules name that one, which is nowhere pinned.
  readsWithHostKey =
    lib.intersectLists config.age.identityPaths (map (key: key.path) config.services.openssh.hostKeys)
    != [ ];

  folder = lib.removeSuffix (baseNameOf rules) rules;
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
        ${rules} has no rule for what ${name} uses: ${names unruled}. Add for each file

            "FILE".publicKeys = [ YOUR-KEY ${name} ];

        and run `spinet secrets rekey`.
      '';
    }
    {
      assertion = pinned == [ ] || !readsWithHostKey || unreadable == [ ];
      message = ''
        ${name} could not decrypt what it uses: its key, as ${knownHosts} pins it, is no recipient of
        ${names unreadable}. Add it in ${rules}, and run `spinet secrets rekey`.
      '';
    }
  ];
}
