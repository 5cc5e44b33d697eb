# What modules say about a definition: conditions, priorities, order; and option declarations.
{ lib }:
let
  inherit (lib) concatMap filter min;
  property = _type: content: { inherit _type content; };
in
rec {
  mkIf = condition: content: property "if" content // { inherit condition; };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: property "override" content // { inherit priority; };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkOrder = priority: content: property "order" content // { inherit priority; };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  defaultOverridePriority = 100;

  isType = t: x: builtins.isAttrs x && x._type or null == t;
  isOption = isType "option";
  mkOption = attrs: attrs // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${what}.";
    };
  mkPackageOption =
    pkgs: name: _:
    mkOption {
      default = if builtins.isList name then lib.getAttrFromPath name pkgs else pkgs.${name};
      description = "The ${toString name} package to use.";
    };
  literalExpression = text: { inherit text; };
  literalMD = literalExpression;
  showOption = builtins.concatStringsSep ".";

  # A definition's value with mkMerge and mkIf resolved: zero or more definitions with priority and order.
  discharge =
    def:
    let
      value = def.value;
      kind = if builtins.isAttrs value then value._type or null else null;
      bare = def // {
        value = value.content;
      };
      inner = discharge bare;
    in
    if kind == "merge" then
      concatMap (v: discharge (def // { value = v; })) value.contents
    else if kind == "if" then
      if value.condition then inner else [ ]
    else if kind == "override" then
      map (d: { inherit (value) priority; } // d) (discharge (removeAttrs bare [ "priority" ]))
    else if kind == "order" then
      map (d: { order = value.priority; } // d) inner
    else
      [ def ];

  # The definitions of highest priority (lowest number), in their order.
  winning =
    defs:
    let
      all = concatMap discharge defs;
      priority = d: d.priority or defaultOverridePriority;
      order = d: d.order or 1000;
      best = builtins.foldl' (acc: d: min acc (priority d)) 9999 all;
    in
    builtins.sort (a: b: order a < order b) (filter (d: priority d == best) all);

  # Conditions and priorities of a set moved onto its attributes, so that its names never depend on a condition.
  pushDown =
    def:
    let
      value = def.value;
      kind = if builtins.isAttrs value then value._type or null else null;
      inner = pushDown (def // { value = value.content; });
      onto = wrap: map (d: d // { value = builtins.mapAttrs (_: wrap) d.value; }) inner;
    in
    if kind == "merge" then
      concatMap (v: pushDown (def // { value = v; })) value.contents
    else if kind == "if" then
      onto (mkIf value.condition)
    else if kind == "override" then
      onto (mkOverride value.priority)
    else if kind == "order" then
      onto (mkOrder value.priority)
    else
      [ def ];
}
