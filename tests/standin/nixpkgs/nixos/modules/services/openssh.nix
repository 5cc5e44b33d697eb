# services.openssh: sshd.service, keys made when they are missing and never replaced.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  cfg = config.services.openssh;
  settings = lib.filterAttrs (_: v: v != null) cfg.settings;
  bits = k: lib.optionalString (k ? bits) "-b ${toString k.bits}";
  value =
    v:
    if builtins.isBool v then
      (if v then "yes" else "no")
    else if builtins.isList v then
      lib.concatStringsSep "," v
    else
      toString v;
in
{
  options.services.openssh = {
    enable = option types.bool false;
    ports = option (types.listOf types.port) [ 22 ];
    openFirewall = option types.bool true;
    startWhenNeeded = option types.bool false;
    settings = mkOption {
      default = { };
      type = types.submodule {
        freeformType = types.attrsOf types.anything;
        options = {
          PermitRootLogin = option types.str "prohibit-password";
          PasswordAuthentication = option types.bool true;
          KbdInteractiveAuthentication = option types.bool true;
          UsePAM = option types.bool true;
        };
      };
    };
    extraConfig = option types.lines "";
    authorizedKeysInHomedir = option types.bool true;
    authorizedKeysCommand = option types.str "none";
    hostKeys = option (types.listOf types.anything) [
      {
        type = "rsa";
        bits = 4096;
        path = "/etc/ssh/ssh_host_rsa_key";
      }
      {
        type = "ed25519";
        path = "/etc/ssh/ssh_host_ed25519_key";
      }
    ];
  };

  config = lib.mkIf cfg.enable {
    environment.etc."ssh/sshd_config".text = ''
      ${lib.concatMapStrings (p: "Port ${toString p}\n") cfg.ports}
      ${lib.concatMapStrings (k: "HostKey ${k.path}\n") cfg.hostKeys}
      AuthorizedKeysFile %h/.ssh/authorized_keys /etc/ssh/authorized_keys.d/%u
      ${lib.concatLines (lib.mapAttrsToList (n: v: "${n} ${value v}") settings)}
      # What a command finds over ssh is the system's packages, not the whole Debian tree.
      SetEnv PATH=/run/wrappers/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin
      ${cfg.extraConfig}
    '';
    users.users.sshd = {
      isSystemUser = true;
      group = "nogroup";
      home = "/run/sshd";
    };
    systemd.services.sshd = {
      description = "SSH Daemon";
      wantedBy = [ "multi-user.target" ];
      after = [
        "network.target"
        "sshd-keygen.service"
      ];
      wants = [ "sshd-keygen.service" ];
      stopIfChanged = false;
      restartTriggers = [ config.environment.etc."ssh/sshd_config".source ];
      serviceConfig = {
        ExecStart = "${pkgs.openssh}/bin/sshd -D -e -f /etc/ssh/sshd_config";
        KillMode = "process";
        Restart = "always";
        RuntimeDirectory = "sshd";
        RuntimeDirectoryPreserve = true;
      };
    };
    systemd.services.sshd-keygen = {
      description = "SSH Host Keys Generation";
      before = [ "sshd.service" ];
      path = [ pkgs.openssh ];
      serviceConfig.Type = "oneshot";
      serviceConfig.RemainAfterExit = true;
      script = lib.concatMapStrings (k: ''
        if ! [ -s ${k.path} ]; then
          mkdir -p "$(dirname ${k.path})"
          rm -f ${k.path}
          ssh-keygen -q -t ${k.type} ${bits k} -N "" -f ${k.path}
        fi
      '') cfg.hostKeys;
    };
  };
}
