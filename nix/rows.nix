# The rows of a fleet, whole: what a row leaves out is filled in, what it says is looked at.
{ lib, hosts }:
let
  fill = name: row: {
    address = "${name}.local";
    user = "root";
    port = 22;
    tags = [ ];
    # Without it the host has no card to write.
    sdImage = if row.system == "aarch64-linux" then ./modules/sd-image.nix else null;
  };
  known = [
    "system"
    "modules"
    "configuration"
    "address"
    "user"
    "port"
    "tags"
    "sdImage"
  ];

  refuse = name: what: throw "spinet: the row of ${name} (hosts/default.nix) ${what}";
  check =
    name: row:
    let
      unknown = lib.subtractLists known (lib.attrNames row);
      isPort = port: builtins.isInt port && port > 0 && port < 65536;
    in
    if !builtins.isAttrs row then
      refuse name "is no set, such as { system = \"aarch64-linux\"; modules = [ ./${name} ]; }."
    else if unknown != [ ] then
      refuse name "has ${lib.concatStringsSep ", " unknown}, which no row has; it may have ${lib.concatStringsSep ", " known}."
    else if !row ? system then
      refuse name "lacks the system it runs, such as system = \"aarch64-linux\";"
    else if !(row ? modules || row ? configuration) then
      refuse name "lacks its NixOS modules, such as modules = [ ./${name} ];"
    else if row ? modules && row ? configuration then
      refuse name "has modules and configuration; keep one of them."
    else if builtins.match "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?" name == null then
      refuse name "has a name that no host can have: letters, digits, - and _, 63 at most."
    else if !isPort (row.port or 22) then
      refuse name "has a port that is no number from 1 to 65535."
    else if name == "spinet" || lib.hasSuffix "-image" name then
      refuse name "has a name that another package of the flake has."
    else
      row;
in
lib.mapAttrs (name: row: fill name (check name row) // check name row) hosts
