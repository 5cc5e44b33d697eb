# Sets of files below a folder: { base, has }, where `has` says of an absolute path whether it belongs to the set.
{ lib }:
let
  below = dir: path: path == dir || lib.hasPrefix "${dir}/" path;
  coerce =
    x:
    if builtins.isAttrs x && x._type or null == "fileset" then
      x
    else
      {
        _type = "fileset";
        # Where members are, so that folders without any can be left out.
        roots = [ (toString x) ];
        has = below (toString x);
      };
  combine = f: a: b: {
    _type = "fileset";
    roots = (coerce a).roots ++ (coerce b).roots;
    has = path: f ((coerce a).has path) ((coerce b).has path);
  };
in
rec {
  unions = sets: builtins.foldl' union none sets;
  union = combine (a: b: a || b);
  intersection = combine (a: b: a && b);
  difference = combine (a: b: a && !b);
  none = {
    _type = "fileset";
    roots = [ ];
    has = _: false;
  };
  maybeMissing = path: if builtins.pathExists path then coerce path else none;
  gitTracked = coerce;
  fromSource = coerce;
  fileFilter = keep: root: {
    _type = "fileset";
    roots = [ (toString root) ];
    has =
      path:
      let
        name = baseNameOf path;
      in
      below (toString root) path
      && keep {
        inherit name;
        type = "regular";
        hasExt = ext: lib.hasSuffix ".${ext}" name;
      };
  };
  toSource =
    { root, fileset }:
    let
      set = coerce fileset;
      leads = path: builtins.any (r: below path r || below r path) set.roots;
      outPath = builtins.path {
        path = root;
        name = "source";
        filter = path: type: if type == "directory" then leads path else set.has path;
      };
    in
    {
      inherit outPath;
      origSrc = root;
    };
}
