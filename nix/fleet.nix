# lib.fleet: a few rows of hosts in, the outputs of a flake out.
#
# `spinet` is this flake itself (its modules); every other argument is the caller's.
{ spinet }:
{
  self,
  nixpkgs,
  agenix,
  # { NAME = { system; modules; address ? "NAME.local"; user ? "root"; port ? 22; tags ? [ ]; sdImage ? ..; }; }
  # In the place of `modules` a row may have `configuration`, a system the caller evaluates.
  # sdImage is a module that makes config.system.build.sdImage: nixpkgs' generic one for aarch64, none for the others.
  hosts,
  # The agenix rules, a path inside the caller's flake.
  secrets,
  # Where spinet records the hosts' keys, relative to the caller's flake.
  knownHosts ? "hosts/known_hosts",
  # More arguments for the hosts' modules, such as the caller's inputs.
  specialArgs ? { },
}:
let
  inherit (nixpkgs) lib;

  forAllSystems = lib.genAttrs [
    "x86_64-linux"
    "aarch64-linux"
  ];

  rows = import ./rows.nix { inherit lib hosts; };
  boards = lib.filterAttrs (_: row: row.sdImage != null) rows;

  rules = import ./rules.nix {
    inherit lib secrets knownHosts;
    root = self;
  };
  inherit (rules) relative;

  allArgs = {
    inherit spinet;
  }
  // specialArgs;

  fromModules =
    name: row:
    lib.nixosSystem {
      specialArgs = allArgs;
      modules = [
        agenix.nixosModules.default
        spinet.nixosModules.default
        (import ./row.nix { inherit name row rules; })
      ]
      ++ row.modules;
    };

  # A system of the caller's own is taken as it is, so it must have what the helper relies on, and say what its row says.
  fromConfiguration =
    name:
    { configuration, ... }@row:
    let
      required = {
        age = "agenix.nixosModules.default";
        spinet = "spinet.nixosModules.default";
      };
      missing = lib.attrValues (removeAttrs required (lib.attrNames configuration.options));
      inherit (configuration.pkgs.stdenv.hostPlatform) system;
      inherit (configuration.config.spinet) deploy;
      differing = lib.filter (key: deploy.${key} != row.${key}) [
        "user"
        "port"
      ];
      lines = map (key: "spinet.deploy.${key} = ${builtins.toJSON row.${key}};") differing;
    in
    if missing != [ ] then
      throw "spinet: add ${lib.concatStringsSep " and " missing} to the modules of ${name}'s configuration."
    else if system != row.system then
      throw "spinet: ${name} is ${row.system} in the fleet, but its configuration is for ${system}."
    else if differing != [ ] then
      throw "spinet: say in ${name}'s configuration what its row says: ${lib.concatStringsSep " " lines}"
    else
      configuration;

  nixosConfigurations = lib.mapAttrs (
    name: row: (if row ? configuration then fromConfiguration else fromModules) name row
  ) rows;

  # Who may log in to a host's card: whoever may administer the host itself.
  authorizedKeys = lib.mapAttrs (
    name: row:
    let
      inherit (nixosConfigurations.${name}.config.users) users;
      lines = file: lib.filter (line: line != "") (lib.splitString "\n" (builtins.readFile file));
      keysOf =
        user: user.openssh.authorizedKeys.keys ++ lib.concatMap lines user.openssh.authorizedKeys.keyFiles;
    in
    lib.unique (keysOf users.root ++ keysOf users.${row.user})
  ) rows;

  # The card's first system. Nothing in it names the host, so hosts of one board type that
  # trust the same keys share one image.
  images = lib.mapAttrs (
    name: row:
    (lib.nixosSystem {
      specialArgs = allArgs;
      modules = [
        ./modules/bootstrap.nix
        row.sdImage
        {
          nixpkgs.hostPlatform = row.system;
          services.openssh.ports = [ row.port ];
          users.users.root.openssh.authorizedKeys.keys = authorizedKeys.${name};
        }
      ];
    }).config.system.build.sdImage
  ) boards;

  # A card with the host's permanent configuration at once.
  fullImages = lib.mapAttrs (
    name: row:
    (nixosConfigurations.${name}.extendModules {
      modules = [
        row.sdImage
        { image.baseName = lib.mkForce "spinet-${name}"; }
      ];
    }).config.system.build.sdImage
  ) boards;

  packages = forAllSystems (
    system:
    lib.mapAttrs (_: host: host.config.system.build.toplevel) nixosConfigurations
    // lib.mapAttrs' (name: lib.nameValuePair "${name}-image") images
    // lib.mapAttrs' (name: lib.nameValuePair "${name}-full-image") fullImages
    // {
      spinet = nixpkgs.legacyPackages.${system}.callPackage ./package.nix { };
    }
  );

  # The smallest builds that run a program of the hosts' systems here. The program is a shell of that system: /bin/sh in a
  # sandbox is this machine's own and would prove nothing.
  trials = lib.genAttrs (lib.unique (lib.mapAttrsToList (_: row: row.system) rows)) (
    system:
    derivation {
      name = "spinet-trial";
      inherit system;
      builder = nixpkgs.legacyPackages.${system}.runtimeShell;
      args = [
        "-c"
        "echo ${system} > $out"
      ];
    }
  );

  rehearsals = lib.mapAttrs (
    _: host:
    lib.mapAttrs (
      _: module: (host.extendModules { modules = [ module ]; }).config.system.build.toplevel
    ) (import ./rehearsals.nix { inherit lib; })
  ) nixosConfigurations;

  # The secrets each host's configuration names.
  secretsOf = lib.mapAttrs (
    _: host:
    let
      inherit (host.config.spinet.wifi) secretNames;
    in
    lib.mapAttrsToList (secret: row: {
      file = relative row.file;
      wifi = lib.elem secret secretNames;
    }) host.config.age.secrets
  ) nixosConfigurations;
in
{
  inherit nixosConfigurations packages;

  # Files against rules, and hosts against both. Nix cannot run inside a build, so it evaluates here.
  checks = forAllSystems (
    system:
    let
      pkgs = nixpkgs.legacyPackages.${system};
      evaluated = pkgs.writeText "spinet-evaluated.json" (
        builtins.toJSON {
          rules = import secrets;
          hosts = lib.mapAttrs (_: uses: { secrets = map (use: use.file) uses; }) secretsOf;
        }
      );
    in
    {
      secrets = pkgs.runCommand "spinet-secrets" { nativeBuildInputs = [ packages.${system}.spinet ]; } ''
        spinet secrets check --flake ${self} --rules ${rules.path} \
          --evaluated ${evaluated} --known-hosts ${knownHosts}
        touch $out
      '';
    }
  );

  apps = forAllSystems (
    system:
    import ./apps.nix {
      pkgs = nixpkgs.legacyPackages.${system};
      inherit (nixpkgs.legacyPackages.aarch64-linux) ubootQemuAarch64;
      inherit (packages.${system}) spinet;
    }
  );

  devShells = forAllSystems (
    system:
    let
      ops = import ./ops-shell.nix {
        pkgs = nixpkgs.legacyPackages.${system};
        inherit (packages.${system}) spinet;
      };
    in
    {
      inherit ops;
      default = ops;
    }
  );

  # Plain data for the helper: reading hosts, rules and knownHosts evaluates no configuration.
  spinet = {
    rules = rules.path;
    inherit knownHosts;
    hosts = lib.mapAttrs (_: row: {
      inherit (row)
        system
        address
        user
        port
        tags
        ;
      card = row.sdImage != null;
    }) rows;
    inherit trials rehearsals;
    # What a bootstrap of one host depends on; this does evaluate its configuration.
    needs = lib.mapAttrs (name: secrets: {
      inherit secrets;
      authorizedKeys = authorizedKeys.${name};
    }) secretsOf;
  };
}
