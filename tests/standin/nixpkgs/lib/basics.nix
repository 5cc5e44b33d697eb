# Functions on values, attribute sets and lists.
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    head
    isAttrs
    isFunction
    length
    listToAttrs
    map
    mapAttrs
    tail
    ;
in
rec {
  # Values and functions
  id = x: x;
  const = x: _: x;
  flip =
    f: a: b:
    f b a;
  pipe = foldl' (x: f: f x);
  fix =
    f:
    let
      x = f x;
    in
    x;
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  boolToString = b: if b then "true" else "false";
  importJSON = file: builtins.fromJSON (builtins.readFile file);
  importTOML = file: builtins.fromTOML (builtins.readFile file);
  warn = message: builtins.trace "evaluation warning: ${message}";
  warnIf = condition: if condition then warn else (_: id);
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: throwIf (!condition);
  assertMsg = condition: message: condition || throw message;
  # Both kinds of function: lambdas and sets with __functor.
  isFunctionLike = f: isFunction f || (isAttrs f && f ? __functor);
  functionArgs = f: f.__functionArgs or (builtins.functionArgs f);
  setFunctionArgs = f: args: {
    __functor = _: f;
    __functionArgs = args;
  };

  # Attribute sets
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  genAttrs' = xs: f: listToAttrs (map f xs);
  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  filterAttrs = keep: set: removeAttrs set (filter (n: !keep n set.${n}) (attrNames set));
  inherit (builtins) removeAttrs;
  optionalAttrs = condition: set: if condition then set else { };
  mergeAttrsList = foldl' (a: b: a // b) { };
  foldlAttrs =
    f: start: set:
    foldl' (acc: n: f acc n set.${n}) start (attrNames set);
  zipAttrsWith = builtins.zipAttrsWith;
  getAttrs = names: set: genAttrs names (n: set.${n});
  catAttrs = builtins.catAttrs;
  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && set ? ${head path} then
      attrByPath (tail path) default set.${head path}
    else
      default;
  hasAttrByPath = path: set: attrByPath path missing set != missing;
  missing = {
    __missing = true;
  };
  getAttrFromPath = path: attrByPath path (throw "attribute ${toString path} is missing");
  setAttrByPath =
    path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
  recursiveUpdate =
    a: b:
    a
    // mapAttrs (
      n: v:
      if isAttrs v && isAttrs (a.${n} or null) && !isDerivation v then recursiveUpdate a.${n} v else v
    ) b;
  isDerivation = x: isAttrs x && x.type or null == "derivation";
  collect =
    wanted: set:
    if wanted set then
      [ set ]
    else if isAttrs set then
      concatMap (collect wanted) (attrValues set)
    else
      [ ];
  mapAttrsRecursive =
    f:
    let
      go = path: mapAttrs (n: v: if isAttrs v then go (path ++ [ n ]) v else f (path ++ [ n ]) v);
    in
    go [ ];

  # Lists
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  singleton = x: [ x ];
  toList = x: if builtins.isList x then x else [ x ];
  flatten = x: if builtins.isList x then concatMap flatten x else [ x ];
  foldr =
    f: end: xs:
    if xs == [ ] then end else f (head xs) (foldr f end (tail xs));
  foldl = foldl';
  remove = x: filter (y: y != x);
  unique = foldl' (acc: x: if elem x acc then acc else acc ++ [ x ]) [ ];
  allUnique = xs: length (unique xs) == length xs;
  last = xs: elemAt xs (length xs - 1);
  init = xs: genList (elemAt xs) (length xs - 1);
  take = n: xs: genList (elemAt xs) (min n (length xs));
  drop = n: xs: genList (i: elemAt xs (i + n)) (max 0 (length xs - n));
  reverseList = xs: genList (i: elemAt xs (length xs - 1 - i)) (length xs);
  range = from: to: genList (i: from + i) (max 0 (to - from + 1));
  imap0 = f: xs: genList (i: f i (elemAt xs i)) (length xs);
  imap1 = f: imap0 (i: f (i + 1));
  findFirst =
    wanted: default: xs:
    let
      found = filter wanted xs;
    in
    if found == [ ] then default else head found;
  zipListsWith =
    f: a: b:
    genList (i: f (elemAt a i) (elemAt b i)) (min (length a) (length b));
  subtractLists = gone: filter (x: !elem x gone);
  intersectLists = a: filter (x: elem x a);
  naturalSort = builtins.sort builtins.lessThan;
  count = wanted: xs: length (filter wanted xs);
  cartesianProduct =
    sets:
    foldl' (acc: n: concatMap (s: map (v: s // { ${n} = v; }) sets.${n}) acc) [ { } ] (attrNames sets);
  concat = a: b: a ++ b;
  inherit concatLists;

  # Packages
  getName =
    p:
    if builtins.isString p then
      (builtins.parseDrvName p).name
    else
      p.pname or (builtins.parseDrvName p.name).name;
  getVersion = p: if builtins.isString p then (builtins.parseDrvName p).version else p.version or "";
  getOutput = _: p: p;
  getBin = id;
  getLib = id;
  getDev = id;
  getExe' = p: name: "${p}/bin/${name}";
  getExe = p: getExe' p (p.meta.mainProgram or (getName p));
  makeBinPath = makeSearchPath "bin";
  makeSearchPath = dir: ps: builtins.concatStringsSep ":" (map (p: "${p}/${dir}") ps);
}
