# systemd.{services,timers,sockets,paths,targets}: unit files as NixOS writes them, in one folder for /etc/systemd/system.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ./unit-options.nix { inherit lib; }) unitType render;
  cfg = config.systemd;
  kinds = {
    services = "service";
    timers = "timer";
    sockets = "socket";
    paths = "path";
    targets = "target";
  };
  listOption = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };

  # A script of a service, as ExecStart and its friends want it.
  scriptFile =
    name: kind: text:
    "${pkgs.writeShellScript "unit-script-${name}-${kind}" "set -e\n${text}"}";
  execs =
    name: u:
    lib.mapAttrs (_: kind: [ (scriptFile name kind u.${kind}) ]) (
      lib.filterAttrs (_: kind: u.${kind} != "") {
        ExecStart = "script";
        ExecStartPre = "preStart";
        ExecStartPost = "postStart";
        ExecStop = "preStop";
        ExecStopPost = "postStop";
        ExecReload = "reload";
      }
    );
  merged =
    a: b: a // lib.mapAttrs (n: v: if a ? ${n} then lib.toList v ++ lib.toList a.${n} else v) b;

  body = {
    service =
      name: u:
      let
        path = u.path ++ [
          pkgs.coreutils
          pkgs.findutils
          pkgs.gnugrep
          pkgs.gnused
          pkgs.systemd
        ];
        environment = {
          PATH = "${lib.makeBinPath path}:${lib.makeSearchPath "sbin" path}";
        }
        // u.environment;
        behaviour =
          lib.optionalAttrs (!u.restartIfChanged) { X-RestartIfChanged = false; }
          // lib.optionalAttrs u.reloadIfChanged { X-ReloadIfChanged = true; }
          // lib.optionalAttrs (!u.stopIfChanged) { X-StopIfChanged = false; };
      in
      render "Service" (
        merged u.serviceConfig (execs name u)
        // behaviour
        // {
          Environment = lib.mapAttrsToList (n: v: ''"${n}=${toString v}"'') (
            lib.filterAttrs (_: v: v != null) environment
          );
        }
      );
    timer = _: u: render "Timer" u.timerConfig;
    socket = _: u: render "Socket" ({ ListenStream = u.listenStreams; } // u.socketConfig);
    path = _: u: render "Path" u.pathConfig;
    target = _: _: "";
  };

  unitSection =
    u:
    render "Unit" (
      lib.optionalAttrs (u.description != "") { Description = u.description; }
      // {
        After = u.after;
        Before = u.before;
        Requires = u.requires;
        Wants = u.wants;
        BindsTo = u.bindsTo;
        PartOf = u.partOf;
        Conflicts = u.conflicts;
        OnFailure = u.onFailure;
        X-Restart-Triggers = map toString u.restartTriggers;
        X-Reload-Triggers = map toString u.reloadTriggers;
      }
      // u.unitConfig
    );

  allUnits = lib.concatLists (
    lib.mapAttrsToList (
      option: kind:
      lib.mapAttrsToList (name: u: {
        inherit u;
        file = if lib.hasSuffix ".${kind}" name then name else "${name}.${kind}";
        text = unitSection u + body.${kind} name u;
      }) cfg.${option}
    ) kinds
  );

  # The file keeps its name, else systemd would take the link for an alias.
  unitFile =
    file: text:
    pkgs.writeTextFile {
      name = "unit-${lib.replaceStrings [ "@" ] [ "-" ] file}";
      destination = "/${file}";
      inherit text;
    };
  place =
    {
      u,
      file,
      text,
    }:
    if !u.enable then
      "ln -s /dev/null $out/${file}"
    else
      ''
        ln -s ${unitFile file text}/${file} $out/${file}
      ''
      + lib.concatMapStrings (t: "wire ${t}.wants ${file}\n") u.wantedBy
      + lib.concatMapStrings (t: "wire ${t}.requires ${file}\n") (u.requiredBy or [ ])
      + lib.concatMapStrings (alias: "ln -s ${file} $out/${alias}\n") u.aliases;
in
{
  options.systemd =
    lib.mapAttrs (
      _: kind:
      mkOption {
        type = types.attrsOf (types.submodule (unitType kind));
        default = { };
      }
    ) kinds
    // {
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      tmpfiles.rules = listOption;
      defaultUnit = mkOption {
        type = types.str;
        default = "multi-user.target";
      };
    };

  config = {
    # A service with startAt gets a timer, as on NixOS.
    systemd.timers = lib.mapAttrs (_: s: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = s.startAt;
    }) (lib.filterAttrs (_: s: s.startAt != [ ]) cfg.services);

    environment.etc."systemd/system".source = pkgs.runCommand "system-units" { } ''
      mkdir -p $out
      wire() { mkdir -p "$out/$1" && ln -sfn "../$2" "$out/$1/$2"; }
      ${lib.concatMapStringsSep "\n" place allUnits}
      ln -s /usr/lib/systemd/system/${cfg.defaultUnit} $out/default.target
    '';
    environment.etc."tmpfiles.d/00-nixos.conf".text = lib.concatLines cfg.tmpfiles.rules;
  };
}
