# Options as a list of what there is to say of them, in the shape nixpkgs gives it.
{ lib }:
let
  collect =
    tree:
    if lib.isOption tree then
      [ tree ]
    else
      lib.concatMap collect (lib.attrValues (removeAttrs tree [ "_module" ]));

  render =
    value:
    if value ? text then
      value
    else
      {
        text =
          if value == { } then
            "{ }"
          else if value == [ ] then
            "[ ]"
          else
            builtins.toJSON value;
      };

  entry =
    option:
    {
      inherit (option) loc declarations;
      name = lib.showOption option.loc;
      description = option.description or null;
      internal = option.internal or false;
      visible = option.visible or true;
      readOnly = option.readOnly or false;
      type = option.type.name;
    }
    // lib.optionalAttrs (option ? example) { example = render option.example; }
    // lib.optionalAttrs (option ? defaultText || option ? default) {
      default = render (option.defaultText or option.default);
    };
in
{
  optionAttrSetToDocList =
    options:
    lib.concatMap (
      option:
      [ (entry option) ]
      # declared where what holds them is
      ++ map (inner: inner // { inherit (option) declarations; }) (
        lib.optionAttrSetToDocList ((option.type.getSubOptions or (_: { })) option.loc)
      )
    ) (collect options);
}
