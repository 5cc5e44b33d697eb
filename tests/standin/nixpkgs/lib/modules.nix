# The module system: options declared and defined by many modules become one configuration.
#
# One thing differs from nixpkgs on purpose: NixOS has thousands of options and the stand-in declares only the ones it
# reads. `open loc` says below which option paths an undeclared option is accepted (and merged like `types.anything`).
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    filter
    head
    isAttrs
    mapAttrs
    ;
  inherit (lib) showOption isOption;

  moduleKeys = [
    "_class"
    "_file"
    "key"
    "imports"
    "disabledModules"
    "options"
    "config"
    "meta"
    "freeformType"
  ];

  # A module written in any of its forms, as { file, key, imports, options, config, freeform }.
  load =
    args: parent: index: module:
    let
      isFile = builtins.isPath module || builtins.isString module;
      loaded = if isFile then import module else module;
      file = if isFile then toString module else parent.file;
      wanted = lib.functionArgs loaded;
      given = args // mapAttrs (n: _: args.${n} or args.config._module.args.${n}) wanted;
      m = if lib.isFunctionLike loaded then loaded given else loaded;
      long = m ? config || m ? options;
    in
    {
      file = m._file or file;
      key = m.key or (if isFile then toString module else "${parent.key}:${toString index}");
      imports = m.imports or [ ];
      options = m.options or { };
      config = if long then m.config or { } else removeAttrs m moduleKeys;
      freeform = lib.optional (m ? freeformType) m.freeformType;
    };

  # Every module once, imported ones first.
  collect =
    args: modules:
    let
      visit =
        parent: acc: indexed:
        let
          m = load args parent indexed.index indexed.module;
          marked = acc // {
            seen = acc.seen // {
              ${m.key} = true;
            };
          };
          inner = visitAll m marked m.imports;
        in
        if acc.seen ? ${m.key} then acc else inner // { found = inner.found ++ [ m ]; };
      visitAll =
        parent: acc: ms:
        builtins.foldl' (visit parent) acc (lib.imap1 (index: module: { inherit index module; }) ms);
      top = {
        key = "<modules>";
        file = "the configuration";
      };
      nothing = {
        seen = { };
        found = [ ];
      };
    in
    (visitAll top nothing modules).found;

  declared =
    loc: declarations: defs:
    let
      option = builtins.foldl' merge { } (map (d: d.tree) declarations);
      merge =
        a: b:
        a
        // b
        // lib.optionalAttrs (a ? type) {
          type = if b ? type then lib.types.extended a.type b.type else a.type;
        };
      type = option.type or lib.types.unspecified;
      fallback = lib.optional (option ? default) {
        file = "the default";
        value = lib.mkOptionDefault option.default;
      };
      priority = d: d.priority or lib.defaultOverridePriority;
      settled = lib.types.settle type loc (fallback ++ defs);
      set = fallback ++ concatMap lib.discharge defs;
      value =
        if option.readOnly or false && builtins.length set > 1 then
          throw "The option `${showOption loc}' is read-only, but it is set in `${(lib.last set).file}'."
        else if settled == [ ] then
          throw "The option `${showOption loc}' is used but not defined."
        else
          head settled;
    in
    rec {
      options = option // {
        inherit loc type value;
        isDefined = settled != [ ];
        highestPrio = builtins.foldl' lib.min 9999 (
          map priority (concatMap lib.discharge (fallback ++ defs))
        );
        definitions = map (d: d.value) (lib.winning defs);
        files = map (d: d.file) defs;
        declarations = map (d: d.file) declarations;
        __toString = _: showOption loc;
      };
      config = (option.apply or lib.id) value;
    };

  # The options and values below one path. A declaration is { file, tree }, a definition { file, value }.
  level =
    open: loc: declarations: defs:
    let
      pushed = concatMap lib.pushDown defs;
      trees = map (d: d.tree) declarations;
      known = lib.mergeAttrsList trees;
      set = lib.mergeAttrsList (map (d: checkSet loc d) pushed);
      extra = filter (n: !known ? ${n}) (attrNames set);
      refused = filter (n: !open (loc ++ [ n ])) extra;
      child =
        n:
        let
          here = loc ++ [ n ];
          decls = map (d: d // { tree = d.tree.${n}; }) (filter (d: d.tree ? ${n}) declarations);
          childDefs = map (d: d // { value = d.value.${n}; }) (filter (d: d.value ? ${n}) pushed);
        in
        if decls == [ ] then
          {
            options = { };
            config =
              let
                won = lib.winning childDefs;
              in
              if won == [ ] then
                throw "The option `${showOption here}' is used but not defined."
              else
                lib.types.anything.merge here won;
          }
        else if isOption (head decls).tree then
          declared here decls childDefs
        else
          level open here decls childDefs;
      children = mapAttrs (n: _: child n) known;
      others = lib.genAttrs extra child;
      firstRefused = showOption (loc ++ [ (head refused) ]);
      where = (head (filter (d: d.value ? ${head refused}) pushed)).file;
    in
    {
      # known before any value is: a module may ask whether an option exists to say what it sets
      options = mapAttrs (_: c: c.options) children;
      config =
        if refused != [ ] then
          throw "The option `${firstRefused}' does not exist. It is defined in `${where}'."
        else
          mapAttrs (_: c: c.config) (children // others);
    };

  checkSet =
    loc: d:
    if isAttrs d.value then
      d.value
    else
      throw "`${showOption loc}' holds options, but is a ${builtins.typeOf d.value} in `${d.file}'.";
in
{
  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
      open ? (_: false),
      ...
    }@call:
    let
      args = {
        inherit lib;
      }
      // specialArgs
      // {
        inherit config options;
      };
      base = {
        _file = "the module system";
        options._module.args = lib.mkOption {
          type = lib.types.lazyAttrsOf lib.types.raw;
          default = { };
        };
        options._module.check = lib.mkOption { default = true; };
      };
      found = collect args ([ base ] ++ modules);
      freeform = concatMap (m: m.freeform) found;
      result =
        level (loc: freeform != [ ] || open loc) prefix
          (map (m: {
            inherit (m) file;
            tree = m.options;
          }) found)
          (
            map (m: {
              inherit (m) file;
              value = m.config;
            }) found
          );
      inherit (result) options;
      config = if prefix == [ ] then result.config else removeAttrs result.config [ "_module" ];
    in
    {
      inherit config options;
      _module.args = specialArgs;
      extendModules =
        {
          modules ? [ ],
          ...
        }:
        lib.evalModules (call // { modules = call.modules ++ modules; });
    };

  # For modules that want to be told apart in messages.
  setDefaultModuleLocation = file: module: {
    _file = file;
    imports = [ module ];
  };
  importApply = file: args: {
    _file = toString file;
    imports = [ (import file args) ];
  };
}
