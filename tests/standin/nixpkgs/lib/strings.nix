# Functions on strings and versions.
{ basics }:
let
  inherit (basics) imap1 genAttrs;
  inherit (builtins)
    concatStringsSep
    match
    replaceStrings
    split
    stringLength
    substring
    toString
    ;
in
rec {
  concatStrings = concatStringsSep "";
  concatMapStringsSep =
    sep: f: xs:
    concatStringsSep sep (map f xs);
  concatMapStrings = concatMapStringsSep "";
  concatImapStringsSep =
    sep: f: xs:
    concatStringsSep sep (imap1 f xs);
  concatMapAttrsStringSep =
    sep: f: set:
    concatStringsSep sep (basics.mapAttrsToList f set);
  concatLines = concatMapStrings (s: "${s}\n");
  optionalString = condition: s: if condition then s else "";
  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      start = stringLength s - stringLength suffix;
    in
    start >= 0 && substring start (-1) s == suffix;
  hasInfix = infix: s: builtins.length (split (escapeRegex infix) s) > 1;
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix =
    suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  splitString = sep: s: builtins.filter builtins.isString (split (escapeRegex sep) s);
  stringToCharacters = s: builtins.genList (i: substring i 1 s) (stringLength s);
  escape = chars: replaceStrings chars (map (c: "\\${c}") chars);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg =
    value:
    let
      s = toString value;
      plain = match "[[:alnum:],._+:@%/-]+" s != null;
    in
    if plain then s else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  toShellVars = set: concatLines (basics.mapAttrsToList (n: v: "${n}=${escapeShellArg v}") set);
  trim =
    s:
    let
      inner = match "[[:space:]]*(.*[^[:space:]])[[:space:]]*" s;
    in
    if inner == null then "" else builtins.head inner;
  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;
  lower = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upper = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  fixedWidthString =
    width: fill: s:
    if stringLength s >= width then s else fixedWidthString width fill (fill + s);
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  toInt =
    s:
    let
      n = builtins.fromJSON (trim s);
    in
    if builtins.isInt n then n else throw "cannot read ${s} as an integer";
  isStringLike =
    x:
    builtins.isString x || builtins.isPath x || (builtins.isAttrs x && (x ? outPath || x ? __toString));
  isStorePath = x: isStringLike x && hasPrefix "${builtins.storeDir}/" (toString x);
  nameFromURL = url: sep: builtins.head (splitString sep (basics.last (splitString "/" url)));
  versionAtLeast = a: b: builtins.compareVersions a b >= 0;
  versionOlder = a: b: builtins.compareVersions a b < 0;
  versions = genAttrs [ "majorMinor" "major" ] (
    kind: v: concatStringsSep "." (basics.take (if kind == "major" then 1 else 2) (splitString "." v))
  );

  # Text formats
  generators = {
    toJSON = _: builtins.toJSON;
    mkValueStringDefault = _: scalar;
    mkKeyValueDefault =
      _: sep: key: value:
      "${key}${sep}${scalar value}";
    toKeyValue = _: set: concatLines (basics.mapAttrsToList (k: v: "${k}=${scalar v}") set);
    toINI =
      _: sections:
      concatStringsSep "\n" (
        basics.mapAttrsToList (
          name: set: "[${name}]\n" + concatLines (basics.mapAttrsToList (k: v: "${k}=${scalar v}") set)
        ) sections
      );
  };
  scalar = v: if builtins.isBool v then basics.boolToString v else toString v;
}
