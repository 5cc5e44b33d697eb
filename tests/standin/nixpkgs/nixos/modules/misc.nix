# Options that others read and that need no more than a declaration.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  board = import ../../board.nix;
in
{
  options = {
    nixpkgs.hostPlatform = mkOption {
      type = types.either types.str types.attrs;
      apply = lib.systems.elaborate;
    };
    nixpkgs.overlays = option (types.listOf types.raw) [ ];
    nixpkgs.config = option types.anything { };
    nixpkgs.flake.source = option (types.nullOr types.anything) null;
    nixpkgs.flake.setNixPath = option types.bool false;
    nixpkgs.flake.setFlakeRegistry = option types.bool false;
    nixpkgs.pkgs = option types.raw (
      import ../../pkgs {
        inherit (config.nixpkgs.hostPlatform) system;
        inherit (config.nixpkgs) overlays;
      }
    );
    assertions = option (types.listOf types.anything) [ ];
    warnings = option (types.listOf types.str) [ ];
    meta = option types.anything { };

    networking.hostName = option (types.strMatching "[a-zA-Z0-9_-]*") "nixos";
    networking.domain = option (types.nullOr types.str) null;
    networking.useDHCP = option types.bool true;
    networking.firewall.enable = option types.bool true;
    networking.firewall.allowedTCPPorts = option (types.listOf types.port) [ ];
    networking.firewall.allowedUDPPorts = option (types.listOf types.port) [ ];
    hardware.firmware = option (types.listOf types.package) [ ];
    hardware.enableRedistributableFirmware = option types.bool false;
    hardware.wirelessRegulatoryDatabase = option types.bool false;
    hardware.deviceTree.enable = option types.bool false;
    fileSystems = option (types.attrsOf types.anything) { };
    swapDevices = option (types.listOf types.anything) [ ];
    time.timeZone = option (types.nullOr types.str) null;
    zramSwap.enable = option types.bool false;
    documentation.enable = option types.bool true;
    boot.kernelParams = option (types.listOf types.str) [ ];
    boot.kernelModules = option (types.listOf types.str) [ ];
    boot.extraModprobeConfig = option types.lines "";
    boot.initrd.availableKernelModules = option (types.listOf types.str) [ ];
    boot.supportedFilesystems = option types.anything { };
    boot.loader.grub.enable = option types.bool true;
    # the rehearsal waits for nobody to choose
    boot.loader.timeout = option (types.nullOr types.int) (if board == null then 5 else 1);
    boot.consoleLogLevel = option types.int 4;
    system.stateVersion = option types.str "26.05";
    system.nixos.version = option types.str "26.05.standin";
    system.nixos.label = option types.str "26.05.standin";
    system.nixos.release = option types.str "26.05";
    system.nixos.tags = option (types.listOf types.str) [ ];
    system.configurationRevision = option (types.nullOr types.str) null;
    system.name = option types.str (
      if config.networking.hostName == "" then "unnamed" else config.networking.hostName
    );
  };

  config = {
    _module.args.pkgs = config.nixpkgs.pkgs;
    _module.args.utils.escapeSystemdExecArgs = lib.escapeShellArgs;
    # A board's log is what comes out of its serial line; the last console named is also that of systemd.
    boot.kernelParams = lib.mkAfter (
      [ "loglevel=${toString config.boot.consoleLogLevel}" ]
      # emulated, the programs of the security modules cost seconds of each start
      ++ lib.optionals (board != null) [
        "lsm=capability"
        "console=ttyAMA0"
      ]
    );
  };
}
