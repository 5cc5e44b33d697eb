//! What a deploy comes to when its commands are typed by hand, and what other tools run.

use std::process::Command;

use crate::is_on_path;
use crate::rig::{Host, Rig};
use crate::table::Way;

/// Build and first question at once: nothing that has to know both can take less.
pub fn floor(rig: &Rig, host: &Host) -> Command {
    let script = format!(
        "nix build --no-link --json .#{} >\"$TMPDIR/built\" & ssh {} root@{} readlink /run/current-system >\"$TMPDIR/runs\"; wait $!",
        host.name,
        host.options(),
        host.ip
    );
    rig.bash(&script, &[])
}

/// Build, copy, run, make permanent: two logins.
pub fn by_hand(rig: &Rig, hosts: &[Host]) -> Command {
    let attrs: Vec<String> = hosts
        .iter()
        .map(|host| format!(".#{}", host.name))
        .collect();
    let mut script = format!(
        "built=($(nix build --no-link --print-out-paths {}))\n",
        attrs.join(" ")
    );
    for (n, host) in hosts.iter().enumerate() {
        script += &format!(
            "{{ NIX_SSHOPTS='{options}' nix copy --no-check-sigs --to ssh://root@{ip} ${{built[{n}]}} && ssh {options} root@{ip} \"${{built[{n}]}}/bin/switch-to-configuration test && nix-env -p /nix/var/nix/profiles/system --set ${{built[{n}]}} && ${{built[{n}]}}/bin/switch-to-configuration boot\"; }} &\njobs[{n}]=$!\n",
            options = host.options(),
            ip = host.ip
        );
    }
    script += "for job in ${jobs[@]}; do wait $job; done";
    rig.bash(&script, &[])
}

/// The commands of `nixos-rebuild-ng switch --flake .#HOST --target-host root@HOST`, without the build of
/// nixos-rebuild itself that comes first.
pub fn nixos_rebuild(rig: &Rig, host: &Host) -> Command {
    let script = format!(
        "shared=\"{} -o ControlMaster=auto -o ControlPath=$TMPDIR/%n -o ControlPersist=60\"
        to=root@{}
        system=$(nix --extra-experimental-features 'nix-command flakes' build --print-out-paths '.#nixosConfigurations.\"{}\".config.system.build.toplevel' --no-link)
        NIX_SSHOPTS=$shared nix-copy-closure --to $to $system
        ssh $shared $to -- nix-env -p /nix/var/nix/profiles/system --set $system
        ssh $shared $to -- test -d /run/systemd/system
        ssh $shared $to -- systemd-run -E LOCALE_ARCHIVE -E NIXOS_INSTALL_BOOTLOADER=0 --collect --no-ask-password --pipe --quiet --service-type=exec --unit=nixos-rebuild-switch-to-configuration $system/bin/switch-to-configuration switch
        ssh $shared -O exit $to",
        host.options(),
        host.ip,
        host.name
    );
    rig.bash(&script, &[])
}

/// deploy-rs and colmena, as far as they are here and work on the stand-in nixpkgs.
pub fn peers(rig: &Rig, host: &Host) -> Vec<Way> {
    let mut ways = Vec::new();
    let node = format!(".#{}", host.name);
    for (tool, args) in [
        ("deploy", &["--skip-checks", node.as_str()][..]),
        ("colmena", &["apply", "--on", host.name.as_str()]),
    ] {
        if !is_on_path(tool) {
            println!("{tool}: not on PATH");
            continue;
        }
        let mut command = rig.command(tool);
        command.args(args);
        let tried = command.output();
        if tried.is_ok_and(|output| output.status.success()) {
            ways.push(Way::new(tool, command));
        } else {
            println!("{tool}: does not work on the stand-in nixpkgs");
        }
    }
    ways
}
