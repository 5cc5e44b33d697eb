# Option types: what a value may be, and how several definitions become one.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    concatMap
    elem
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isPath
    isString
    length
    match
    ;
  inherit (lib) showOption;

  mkType =
    attrs:
    {
      _type = "option-type";
      extend = null;
    }
    // attrs;
  values = map (d: d.value);
  first = _loc: defs: (head defs).value;
  conflict =
    loc: defs:
    throw "The option `${showOption loc}' has conflicting definitions, in ${
      lib.concatMapStringsSep " and " (d: "`${d.file}'") defs
    }.";
  # Equal definitions are one definition.
  same =
    loc: defs: if all (v: v == first loc defs) (values defs) then first loc defs else conflict loc defs;
  scalar =
    name: check:
    mkType {
      inherit name check;
      merge = same;
    };
  joined =
    name: sep:
    mkType {
      inherit name;
      check = isString;
      merge = _: defs: builtins.concatStringsSep sep (values defs);
    };
  between =
    low: high: n:
    isInt n && n >= low && n <= high;
  attrsDefs =
    defs: n: map (d: d // { value = d.value.${n}; }) (builtins.filter (d: d.value ? ${n}) defs);
  namesOf = defs: attrNames (lib.mergeAttrsList (values defs));

  # One value from definitions that may still hold properties; [ ] when a condition removed them all.
  settle =
    type: loc: defs:
    let
      won = lib.winning defs;
      wrong = builtins.filter (d: !type.check d.value) won;
      culprit = head wrong;
    in
    if won == [ ] then
      [ ]
    else if wrong != [ ] then
      throw (
        "A definition for option `${showOption loc}' is not of type `${type.name}': "
        + "${describe culprit.value}, in `${culprit.file}'."
      )
    else
      [ (type.merge loc won) ];
  describe =
    v: if isInt v || isBool v || isString v then builtins.toJSON v else "a ${builtins.typeOf v}";
in
rec {
  inherit settle mkType;
  mkOptionType = mkType;

  bool = scalar "boolean" isBool;
  boolByOr = bool // {
    merge = _: defs: builtins.any lib.id (values defs);
  };
  int = scalar "signed integer" isInt;
  float = scalar "floating point number" isFloat;
  number = scalar "number" (x: isInt x || isFloat x);
  ints = {
    between =
      low: high:
      scalar "integer between ${toString low} and ${toString high} (both inclusive)" (between low high);
    positive = scalar "positive integer" (n: isInt n && n > 0);
    unsigned = scalar "unsigned integer" (n: isInt n && n >= 0);
    u8 = ints.between 0 255;
    u16 = scalar "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (between 0 65535);
    u32 = ints.between 0 4294967295;
  };
  port = ints.u16;

  str = scalar "string" isString;
  nonEmptyStr = scalar "non-empty string" (s: isString s && match "[[:space:]]*" s == null);
  singleLineStr = strMatching "[^\n\r]*";
  passwdEntry = t: addCheck t (s: match "[^:\n]*" s != null);
  strMatching =
    pattern: scalar "string matching the pattern ${pattern}" (s: isString s && match pattern s != null);
  lines = joined "strings concatenated with newlines" "\n";
  commas = joined "comma-separated string" ",";
  separatedString = joined "string";
  path = scalar "absolute path" (
    p: isPath p || (lib.isStringLike p && lib.hasPrefix "/" (toString p))
  );
  pathInStore = path;
  package = mkType {
    name = "package";
    check = p: lib.isDerivation p || lib.isStorePath p;
    merge = first;
  };
  enum =
    choices:
    scalar "one of ${lib.concatMapStringsSep ", " builtins.toJSON choices}" (v: elem v choices);

  raw = mkType {
    name = "raw value";
    check = _: true;
    merge = first;
  };
  unspecified = raw;
  # Sets are merged attribute by attribute, lists are joined, anything else must be equal.
  anything = mkType {
    name = "anything";
    check = _: true;
    merge =
      loc: defs:
      let
        plain = v: isAttrs v && !lib.isDerivation v;
      in
      if all plain (values defs) then
        (lazyAttrsOf anything).merge loc defs
      else if all isList (values defs) then
        concatMap lib.id (values defs)
      else if length defs == 1 || all isFunction (values defs) then
        first loc defs
      else
        same loc defs;
  };
  attrs = mkType {
    name = "attribute set";
    check = isAttrs;
    merge = _: defs: lib.mergeAttrsList (values defs);
  };

  listOf =
    t:
    mkType rec {
      name = "list of ${t.name}";
      check = isList;
      merge =
        loc: defs:
        let
          elements =
            d:
            lib.imap1 (
              i: value:
              element i {
                inherit (d) file;
                inherit value;
              }
            ) d.value;
          element = i: def: settle t (loc ++ [ "[${toString i}]" ]) [ def ];
        in
        builtins.concatLists (concatMap elements defs);
      extend = other: listOf (extended t other.inner);
      inner = t;
    };
  nonEmptyListOf = t: addCheck (listOf t) (l: l != [ ]);
  attrsOf =
    t:
    mkType {
      name = "attribute set of ${t.name}";
      check = isAttrs;
      # An attribute whose definitions are all under false conditions does not exist.
      merge =
        loc: defs:
        builtins.listToAttrs (
          concatMap (n: map (lib.nameValuePair n) (settle t (loc ++ [ n ]) (attrsDefs defs n))) (namesOf defs)
        );
      extend = other: attrsOf (extended t other.inner);
      getSubOptions = loc: (t.getSubOptions or (_: { })) (loc ++ [ "<name>" ]);
      inner = t;
    };
  # As attrsOf, but no value is looked at before it is used.
  lazyAttrsOf =
    t:
    attrsOf t
    // {
      merge =
        loc: defs:
        lib.genAttrs (namesOf defs) (
          n:
          let
            settled = settle t (loc ++ [ n ]) (attrsDefs defs n);
          in
          if settled == [ ] then
            throw "`${showOption (loc ++ [ n ])}' is used but not defined."
          else
            head settled
        );
      extend = other: lazyAttrsOf (extended t other.inner);
    };
  extended = a: b: if a.extend == null then a else a.extend b;

  nullOr =
    t:
    mkType {
      name = "null or ${t.name}";
      check = v: v == null || t.check v;
      merge =
        loc: defs:
        if all (v: v == null) (values defs) then
          null
        else if elem null (values defs) then
          conflict loc defs
        else
          t.merge loc defs;
      extend = other: nullOr (extended t other.inner);
      inner = t;
    };
  either =
    a: b:
    mkType {
      name = "${a.name} or ${b.name}";
      check = v: a.check v || b.check v;
      merge = loc: defs: if all a.check (values defs) then a.merge loc defs else b.merge loc defs;
    };
  oneOf = ts: lib.foldl' either (head ts) (builtins.tail ts);
  uniq =
    t:
    t
    // {
      merge = loc: defs: if length defs == 1 then t.merge loc defs else conflict loc defs;
    };
  unique = _: uniq;
  addCheck = t: check: t // { check = v: t.check v && check v; };
  coercedTo =
    from: coerce: to:
    to
    // {
      check = v: from.check v || to.check v;
      merge =
        loc: defs:
        to.merge loc (
          map (d: d // { value = if from.check d.value then coerce d.value else d.value; }) defs
        );
    };
  functionTo =
    t:
    mkType {
      name = "function returning ${t.name}";
      check = lib.isFunctionLike;
      merge =
        loc: defs: args:
        head (settle t loc (map (d: d // { value = d.value args; }) defs));
    };

  submodule = module: submoduleWith { modules = lib.toList module; };
  submoduleWith =
    {
      modules,
      specialArgs ? { },
      ...
    }:
    mkType {
      name = "(submodule)";
      getSubOptions =
        loc:
        (lib.evalModules {
          prefix = loc;
          inherit modules;
          specialArgs = specialArgs // {
            name = lib.last loc;
          };
        }).options;
      check = v: isAttrs v || isPath v || lib.isFunctionLike v;
      merge =
        loc: defs:
        (lib.evalModules {
          prefix = loc;
          modules =
            modules
            ++ map (d: {
              _file = d.file;
              imports = [ d.value ];
            }) defs;
          specialArgs = specialArgs // {
            name = lib.last loc;
          };
        }).config;
      extend = other: submoduleWith { modules = modules ++ other.modules; };
      inherit modules;
    };
  deferredModule = raw;
}
