# What the agenix rules and the pinned keys of a flake say, as far as evaluating it can tell.
{
  lib,
  # The flake's folder, the file of the rules in it, and the relative path of the pinned keys.
  root,
  secrets,
  knownHosts,
}:
let
  words = line: lib.filter (word: word != "") (lib.splitString " " line);
  # known_hosts(5): "bach,bach.local ssh-ed25519 AAAA.."
  pins =
    let
      file = "${root}/${knownHosts}";
      lines = map words (lib.splitString "\n" (builtins.readFile file));
    in
    lib.optionals (builtins.pathExists file) (lib.filter (line: lib.length line >= 3) lines);
in
rec {
  inherit knownHosts;

  # "/nix/store/..-source/secrets/a.age" -> "secrets/a.age". Text only: the file need not exist yet.
  relative = path: lib.removePrefix "${root}/" (toString path);
  path = relative secrets;

  # Recipients by file: { "secrets/wifi-home.age" = [ "ssh-ed25519 AAAA.. admin" ]; }
  folder = lib.removeSuffix (baseNameOf path) path;
  recipients = lib.mapAttrs' (
    file: rule: lib.nameValuePair "${folder}${file}" (rule.publicKeys or [ ])
  ) (import secrets);

  # "ssh-ed25519 AAAA.. comment" -> "ssh-ed25519 AAAA.."
  bare = key: lib.concatStringsSep " " (lib.take 2 (words key));
  # The keys pinned for a host, bare.
  pinned =
    name:
    map (line: bare (lib.concatStringsSep " " (lib.tail line))) (
      lib.filter (line: lib.elem name (lib.splitString "," (lib.head line))) pins
    );
}
