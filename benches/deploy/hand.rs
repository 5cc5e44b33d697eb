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

/// Another tool on the same host, or why it cannot be measured here.
pub struct Peer {
    pub name: &'static str,
    pub way: Result<Way, &'static str>,
}

/// deploy-rs and colmena, as far as they are here.
pub fn peers(rig: &Rig, host: &Host) -> Vec<Peer> {
    let mut deploy_rs = rig.command("deploy");
    deploy_rs.arg("--skip-checks");
    deploy_rs.arg(format!("--ssh-opts=-F {}", rig.ssh_config().display()));
    deploy_rs.arg(format!(".#{}", host.name));
    let mut colmena = rig.command("colmena");
    colmena.args(["apply", "--on", &host.name]);
    colmena.env("SSH_CONFIG_FILE", rig.ssh_config());
    vec![
        // its profile holds a system of its own around the host's
        peer(
            "deploy-rs --skip-checks",
            deploy_rs,
            Some(rig.spinet(&[&host.name, "--address", &host.ip])),
        ),
        peer("colmena apply", colmena, None),
    ]
}

fn peer(name: &'static str, command: Command, after: Option<Command>) -> Peer {
    let way = if is_on_path(&command.get_program().to_string_lossy()) {
        let mut way = Way::new(name, command);
        way.after = after;
        let tried = way.command.output();
        if tried.is_ok_and(|output| output.status.success()) {
            way.tidy();
            Ok(way)
        } else {
            Err("does not work on the stand-in nixpkgs")
        }
    } else {
        Err("not on PATH")
    };
    if let Err(why) = way {
        println!("{name}: {why}");
    }
    Peer { name, way }
}
