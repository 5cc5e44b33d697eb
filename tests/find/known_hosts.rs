//! The user's own `known_hosts` after a host has shown a new key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::lab::lan::{Lan, Machine};
use crate::lab::{Lab, run};

/// A host that answers at 10.0.0.2 with its pinned key, and an old key.
struct Scene<'a> {
    lab: &'a Lab,
    lan: &'a Lan<'a>,
    _host: Machine<'a>,
    new: String,
    old: String,
}

impl<'a> Scene<'a> {
    fn new(lab: &'a Lab, lan: &'a Lan<'a>) -> Self {
        let (new, file) = lan.key("bach");
        let (old, _) = lan.key("old");
        lan.flake("bach", &new);
        let bach = lan.machine(&file);
        bach.ip("addr add 10.0.0.2/24 dev eth0");
        bach.sshd();
        bach.announce_v4("bach");
        Self {
            lab,
            lan,
            _host: bach,
            new,
            old,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.lab.path("home/.ssh").join(name)
    }

    fn known_hosts(&self, text: &str) {
        fs::write(self.file("known_hosts"), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Waits for bach, without a terminal; what spinet says.
    fn wait(&self, more: &[&str]) -> String {
        let args = [&["host", "wait", "bach", "--timeout", "60"], more].concat();
        said(&mut self.lan.spinet(&args))
    }

    /// What ssh-keygen finds for a name.
    fn finds(&self, name: &str) -> String {
        let mut find = Command::new("ssh-keygen");
        find.args(["-F", name, "-f"]).arg(self.file("known_hosts"));
        String::from_utf8(find.output().unwrap().stdout).unwrap()
    }
}

/// What a command says that must succeed.
fn said(command: &mut Command) -> String {
    String::from_utf8(run(command).stderr).unwrap()
}

macro_rules! scene {
    ($scene:ident) => {
        let Some(lab) = Lab::available() else { return };
        let lan = Lan::new(&lab);
        let $scene = Scene::new(&lab, &lan);
    };
}

#[test]
fn stale_entries_are_replaced_and_all_others_stay() {
    scene!(scene);
    let (old, new) = (&scene.old, &scene.new);
    let others = format!("# my hosts\nbyrd.local {old} byrd\n@revoked bach.local {old}\n");
    let text = format!("{others}bach.local {old}\nbyrd,10.0.0.2 {old}\n");
    scene.known_hosts(&text);
    fs::set_permissions(scene.file("known_hosts"), fs::Permissions::from_mode(0o640)).unwrap();
    let said = scene.wait(&["--yes"]);
    assert!(said.contains("line 4: bach.local SHA256:"), "{said}");
    assert_eq!(
        scene.read("known_hosts"),
        format!("{others}byrd {old}\n10.0.0.2,bach.local {new}\n")
    );
    assert_eq!(scene.read("known_hosts.old"), text);
    let mode = scene.file("known_hosts").metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    let again = scene.wait(&["--yes"]);
    assert!(!again.contains("known_hosts"), "{again}");
}

#[test]
fn without_a_terminal_nothing_is_changed() {
    scene!(scene);
    let text = format!("bach.local {}\n", scene.old);
    scene.known_hosts(&text);
    let said = scene.wait(&[]);
    let path = scene.file("known_hosts");
    assert!(said.contains("ssh-keygen -R bach.local -f "), "{said}");
    assert_eq!(fs::read_to_string(path).unwrap(), text);
    assert!(!scene.file("known_hosts.old").exists());
}

#[test]
fn hashed_entries_stay_hashed() {
    scene!(scene);
    scene.known_hosts(&format!("bach.local {0}\nbyrd.local {0}\n", scene.old));
    run(Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(scene.file("known_hosts")));
    scene.wait(&["--yes"]);
    let text = scene.read("known_hosts");
    assert!(text.lines().all(|line| line.starts_with("|1|")), "{text}");
    let found = scene.finds("bach.local");
    assert!(
        found.contains(&scene.new) && !found.contains(&scene.old),
        "{found}"
    );
    assert!(scene.finds("byrd.local").contains(&scene.old));
}

#[test]
fn a_link_stays_a_link() {
    scene!(scene);
    fs::create_dir(scene.file("dotfiles")).unwrap();
    fs::write(
        scene.file("dotfiles/known"),
        format!("bach {}\n", scene.old),
    )
    .unwrap();
    std::os::unix::fs::symlink("dotfiles/known", scene.file("known_hosts")).unwrap();
    scene.wait(&["--yes"]);
    assert!(scene.file("known_hosts").is_symlink());
    assert_eq!(
        scene.read("dotfiles/known"),
        format!("bach {}\n", scene.new)
    );
}

#[test]
fn a_file_that_cannot_be_written_is_only_told_of() {
    scene!(scene);
    let text = format!("bach.local {}\n", scene.old);
    let store = scene.lab.path("nix/store");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("known"), &text).unwrap();
    std::os::unix::fs::symlink("/nix/store/known", scene.file("known_hosts")).unwrap();
    let said = scene.wait(&["--yes"]);
    assert!(
        said.contains("/nix/store/known has another key for bach"),
        "{said}"
    );
    assert!(said.contains("change it where it comes from"), "{said}");
    assert_eq!(fs::read_to_string(store.join("known")).unwrap(), text);
}

#[test]
fn the_users_configuration_says_where_and_under_which_name() {
    scene!(scene);
    let text = format!("bach.local {}\n", scene.old);
    scene.known_hosts(&text);
    fs::write(
        scene.file("config"),
        "Host bach.local\n  UserKnownHostsFile ~/.ssh/pis\n  HostKeyAlias the-pi\n",
    )
    .unwrap();
    fs::write(scene.file("pis"), format!("the-pi {}\n", scene.old)).unwrap();
    scene.wait(&["--yes"]);
    assert_eq!(scene.read("pis"), format!("the-pi {}\n", scene.new));
    assert_eq!(scene.read("known_hosts"), text);
}
