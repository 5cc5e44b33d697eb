//! A user without rights: the way to them, what is asked, and who owns what in the end. On a copy of the tree that
//! stand-in hosts boot, with the real sudo and doas.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::lab::project;
use crate::rig::{
    assert_failed, assert_written, boots, card, holds, image, is_untouched, messages,
};
use crate::terminal::Terminal;

struct Machine {
    dir: TempDir,
    tree: PathBuf,
    image: PathBuf,
}

impl Machine {
    fn new() -> Option<Self> {
        let tree = Command::new(project().join("tests/standin/host/tree"))
            .arg("--path")
            .output()
            .unwrap();
        let tree = PathBuf::from(String::from_utf8_lossy(&tree.stdout).trim());
        if !tree.is_dir() {
            println!("skipped: no tree (tests/setup makes it)");
            return None;
        }
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let image = image(dir.path(), "new.img", 20, 7)?;
        Some(Self { dir, tree, image })
    }

    /// The program with these words, run by the user.
    fn spinet(&self, way: &str, words: &[&Path]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .arg(project().join("tests/card/as-user.sh"))
            .args([&self.tree, self.dir.path()])
            .args([env!("CARGO_BIN_EXE_spinet"), way, "spinet"])
            .args(words);
        command
    }

    /// `spinet card write`, confirmed by `--yes`.
    fn write(&self, way: &str, card: &Path) -> std::process::Output {
        let words = ["card", "write", "--yes", "--allow-fixed-disk"].map(Path::new);
        let mut command = self.spinet(way, &[&words[..], &[self.image.as_path(), card]].concat());
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Any user can open the disk's node by mistake; here only root can.
    fn card(&self) -> Option<(crate::rig::Loop, PathBuf)> {
        let file = self.dir.path().join("card");
        let device = card(&file, 30)?;
        fs::set_permissions(&device.0, PermissionsExt::from_mode(0o600)).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        Some((device, file))
    }
}

#[test]
fn sudo_and_doas_lead_to_a_written_card() {
    let Some(machine) = Machine::new() else {
        return;
    };
    for way in ["sudo", "doas"] {
        let Some((device, file)) = machine.card() else {
            return;
        };
        assert_written(&machine.write(way, &device.0));
        assert!(boots(&file) && holds(&file, 7), "{way}");
    }
}

#[test]
fn without_a_way_to_rights_nothing_is_written() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let Some((device, file)) = machine.card() else {
        return;
    };
    assert_failed(
        &machine.write("none", &device.0),
        "none of sudo, run0 and doas is here",
    );
    let refused = machine.write("refused", &device.0);
    assert_failed(&refused, "ended before it was done");
    assert!(
        messages(&refused).contains("password"),
        "{}",
        messages(&refused)
    );
    assert!(is_untouched(&file));
}

#[test]
fn a_card_file_of_ones_own_needs_no_rights() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let own = machine.dir.path().join("card.img");
    assert_written(&machine.write("none", &own));
    let meta = File::open(&own).unwrap().metadata().unwrap();
    assert_ne!(meta.uid(), 0);
    assert_eq!(meta.mode() & 0o777, 0o600);
    assert!(boots(&own) && holds(&own, 7));
}

#[test]
fn at_a_terminal_the_cards_name_is_typed() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let Some((device, file)) = machine.card() else {
        return;
    };
    let words = ["card", "write", "--allow-fixed-disk"].map(Path::new);
    let command = machine.spinet("sudo", &[&words[..], &[&machine.image, &device.0]].concat());
    for (answer, code) in [("sda", 1), ("", 1), ("\u{3}", 1), (device.name(), 0)] {
        let mut terminal = Terminal::start(&command);
        terminal.wait_for("Type its name to go on:");
        if answer == "\u{3}" {
            terminal
                .press(answer)
                .wait_for("Stopped. Nothing was changed.");
        } else {
            terminal.answer(answer);
        }
        let (status, screen) = terminal.end();
        assert_eq!(status, Some(code), "{answer:?}: {screen}");
        if code == 1 {
            assert!(is_untouched(&file), "{answer:?} was taken for a yes");
        }
    }
    assert!(boots(&file) && holds(&file, 7));
}
