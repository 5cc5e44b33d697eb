# config.system.build.toplevel: the folder that a system profile points to.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  checked =
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (m: "- ${m}") failed}"
    else
      lib.foldr lib.warn lib.id config.warnings;
  board = import ../../../board.nix;
  initrd =
    if board == null then
      pkgs.writeText "initrd" "placeholder\n"
    else
      pkgs.runCommand "initrd" { } "cp ${board}/initrd $out";
  forced = path: builtins.seq (lib.attrByPath path null config);
in
{
  options.environment.systemPackages = mkOption {
    type = types.listOf types.package;
    default = [ ];
  };
  options.system.extraDependencies = mkOption {
    type = types.listOf types.package;
    default = [ ];
  };
  options.system.systemBuilderCommands = mkOption {
    type = types.lines;
    default = "";
  };
  # Tests raise it to see a switch refused with exit code 100.
  options.standin.initInterfaceVersion = mkOption {
    type = types.int;
    default = 2;
  };

  config = {
    environment.systemPackages = with pkgs; [
      acl
      bashInteractive
      bzip2
      coreutils
      cpio
      curl
      diffutils
      dosfstools
      e2fsprogs
      findutils
      gawk
      getent
      gnugrep
      gnused
      gnutar
      gzip
      hostname
      iproute2
      kmod
      less
      nix
      openssh
      procps
      shadow
      sudo
      systemd
      util-linux
      which
      xz
      zstd
    ];
    system.build.sw = pkgs.buildEnv {
      name = "system-path";
      paths = config.environment.systemPackages;
    };

    # A wrong name under spinet or age fails here even if nobody reads the option; NixOS' /etc has the time zone.
    system.build.toplevel = forced [ "spinet" ] forced [ "age" ] forced [ "time" "timeZone" ] checked (
      pkgs.runCommand "nixos-system-${config.system.name}-${config.system.nixos.label}"
        {
          inherit (config.system.build) activate etc sw;
          inherit (config.system) extraDependencies;
          inherit (config.boot.kernelPackages) kernel;
          installBootLoader = config.system.build.installBootLoader or "/bin/true";
          initInterface = "systemd ${toString config.standin.initInterfaceVersion}";
        }
        ''
          mkdir -p $out/bin
          substitute() {
            sed "s,@toplevel@,$out,g; s,@installBootLoader@,$installBootLoader," "$1" > "$2"
            chmod +x "$2"
          }
          substitute $activate $out/activate
          substitute ${./stage-2-init.sh} $out/init
          substitute ${./switch-to-configuration.sh} $out/bin/switch-to-configuration
          ln -s $etc/etc $out/etc
          ln -s $sw $out/sw
          ln -s $kernel/Image $out/kernel
          ln -s $kernel/dtbs $out/dtbs
          ln -s ${initrd} $out/initrd
          ln -s ${config.system.build.bootFirmware} $out/firmware
          printf '%s' '${config.nixpkgs.hostPlatform.system}' > $out/system
          printf '%s' '${config.system.nixos.label}' > $out/nixos-version
          printf '%s' '${toString config.boot.kernelParams}' > $out/kernel-params
          printf '%s' "$initInterface" > $out/init-interface-version
          mkdir $out/specialisation
          echo "$extraDependencies" > $out/extra-dependencies
          ${config.system.systemBuilderCommands}
        ''
    );
    system.build.bootFirmware = pkgs.runCommand "firmware" { inherit (config.hardware) firmware; } ''
      mkdir -p $out
      echo "$firmware" > $out/packages
    '';
    system.build.kernel = config.boot.kernelPackages.kernel;
  };
}
