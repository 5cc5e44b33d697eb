# users.users and users.groups: activation brings the tree's passwd, shadow and group in line.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  user =
    { name, ... }:
    {
      options = {
        name = option types.str name;
        enable = option types.bool true;
        uid = option (types.nullOr types.int) null;
        isNormalUser = option types.bool false;
        isSystemUser = option types.bool false;
        description = option types.str "";
        group = option types.str "";
        extraGroups = option (types.listOf types.str) [ ];
        home = option types.str (if name == "root" then "/root" else "/home/${name}");
        createHome = option types.bool false;
        shell = option types.raw "/bin/bash";
        packages = option (types.listOf types.package) [ ];
        password = option (types.nullOr types.str) null;
        initialPassword = option (types.nullOr types.str) null;
        hashedPassword = option (types.nullOr types.str) null;
        initialHashedPassword = option (types.nullOr types.str) null;
        hashedPasswordFile = option (types.nullOr types.str) null;
        openssh.authorizedKeys.keys = option (types.listOf types.singleLineStr) [ ];
        openssh.authorizedKeys.keyFiles = option (types.listOf types.path) [ ];
      };
    };
  cfg = config.users;
  q = v: lib.escapeShellArg (toString v);
  enabled = builtins.filter (u: u.enable) (builtins.attrValues cfg.users);
  call = words: lib.concatMapStringsSep " " q words + "\n";
  primaryGroup =
    u:
    if u.group != "" then
      u.group
    else if u.isNormalUser then
      "users"
    else
      u.name;
  declare =
    u:
    call [
      "declare_user"
      u.name
      u.uid
      (if u.isNormalUser then "normal" else "system")
      u.home
      (primaryGroup u)
      (lib.concatStringsSep "," u.extraGroups)
    ]
    + lib.optionalString (u.hashedPassword != null) (call [
      "set_password"
      u.name
      u.hashedPassword
    ])
    + lib.optionalString (u.hashedPasswordFile != null) (call [
      "set_password_from"
      u.name
      u.hashedPasswordFile
    ]);
in
{
  options.users = {
    mutableUsers = option types.bool true;
    users = option (types.attrsOf (types.submodule user)) { };
    groups = option (types.attrsOf types.anything) { };
    defaultUserShell = option types.raw "/bin/bash";
  };

  config = {
    users.users.root = {
      uid = 0;
      group = "root";
    };
    environment.etc = lib.listToAttrs (
      lib.concatMap (
        u:
        let
          inherit (u.openssh) authorizedKeys;
          keys = authorizedKeys.keys ++ map lib.fileContents authorizedKeys.keyFiles;
        in
        lib.optional (keys != [ ]) (
          lib.nameValuePair "ssh/authorized_keys.d/${u.name}" {
            mode = "0444";
            text = lib.concatLines keys;
          }
        )
      ) enabled
    );
    system.activationScripts.users.text = ''
      . ${./users.sh}
      ${lib.concatMapStrings (
        group:
        call [
          "declare_group"
          group
        ]
      ) (builtins.attrNames cfg.groups)}
      ${lib.concatMapStrings declare enabled}
      ${call (
        [
          "forget_users"
          (if cfg.mutableUsers then "mutable" else "immutable")
        ]
        ++ map (u: u.name) enabled
      )}
    '';
  };
}
