# The options of one unit, and how a section of a unit file is written.
{ lib }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  names = option (types.listOf types.str) [ ];
  section = option (types.attrsOf types.anything) { };
  anyString = types.coercedTo (types.either types.path types.package) toString types.str;

  common = {
    enable = option types.bool true;
    description = option types.str "";
    documentation = names;
    unitConfig = section;
    restartTriggers = option (types.listOf types.unspecified) [ ];
    reloadTriggers = option (types.listOf types.unspecified) [ ];
    overrideStrategy = option types.str "asDropinIfExists";
    startLimitBurst = option (types.nullOr types.int) null;
    startLimitIntervalSec = option (types.nullOr types.int) null;
  }
  // lib.genAttrs [
    "after"
    "before"
    "requires"
    "wants"
    "bindsTo"
    "partOf"
    "conflicts"
    "wantedBy"
    "requiredBy"
    "onFailure"
    "aliases"
  ] (_: names);

  service = {
    script = option types.lines "";
    preStart = option types.lines "";
    postStart = option types.lines "";
    preStop = option types.lines "";
    postStop = option types.lines "";
    reload = option types.lines "";
    path = option (types.listOf types.unspecified) [ ];
    environment = option (types.attrsOf (types.nullOr anyString)) { };
    serviceConfig = section;
    restartIfChanged = option types.bool true;
    reloadIfChanged = option types.bool false;
    stopIfChanged = option types.bool true;
    startAt = mkOption {
      type = types.coercedTo types.str lib.singleton (types.listOf types.str);
      default = [ ];
    };
  };
in
{
  unitType = kind: {
    options =
      common
      // {
        inherit service;
        timer.timerConfig = section;
        socket = {
          socketConfig = section;
          listenStreams = names;
        };
        path.pathConfig = section;
        target = { };
      }
      .${kind};
  };

  # A list is one line for each element; booleans are true and false.
  render =
    name: set:
    let
      value = v: if builtins.isBool v then lib.boolToString v else toString v;
      lines = key: v: lib.concatMapStrings (x: "${key}=${value x}\n") (lib.toList v);
      text = lib.concatStrings (lib.mapAttrsToList lines (lib.filterAttrs (_: v: v != null) set));
    in
    lib.optionalString (text != "") "[${name}]\n${text}\n";
}
