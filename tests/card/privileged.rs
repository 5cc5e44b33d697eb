//! The process with rights against a parent that is not, or not any more, on the user's side.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::{ROOT, boots, card, dirty, holds, image, is_untouched, set};

/// A parent that says what it likes.
struct Parent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Parent {
    fn new(args: &[&str]) -> Self {
        Self::asked_by(None, args)
    }

    /// As sudo would have started it for a user.
    fn asked_by(uid: Option<&str>, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_spinet"))
            .env_remove("SUDO_UID")
            .env_remove("DOAS_USER")
            .envs(uid.map(|uid| ("SUDO_UID", uid)))
            .arg("privileged")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn of(card: &Path, more: &[&str]) -> Self {
        let card = ["--allow-fixed-disk", "--card", card.to_str().unwrap()];
        Self::new(&[&card, more].concat())
    }

    /// The answer after all progress; null when there is none.
    fn ask(&mut self, request: &str) -> Value {
        let _ = writeln!(self.input.as_mut().unwrap(), "{request}");
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return Value::Null;
            }
            let reply: Value = serde_json::from_str(&line).unwrap();
            if reply.get("Progress").is_none() {
                return reply;
            }
        }
    }

    fn refused(&mut self, request: &Value, words: &str) {
        let reply = self.ask(&request.to_string());
        let message = format!(
            "{} {}",
            reply["Failed"]["message"], reply["Failed"]["details"]
        );
        assert!(message.contains(words), "{request}: {reply}");
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

fn open() -> Value {
    json!({ "Open": { "sequence": null } })
}

fn write(image: &Path) -> Value {
    json!({ "Write": { "image": image, "files": [] } })
}

#[test]
fn a_hostile_parent_writes_the_confirmed_card_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let (file, other) = (dir.path().join("card"), dir.path().join("other"));
    let (Some(mine), Some(theirs)) = (card(&file, 30), card(&other, 30)) else {
        return;
    };
    let name = mine.name();

    // nothing before it is open, nothing before it is confirmed, and confirmed by its own name only
    Parent::of(&mine.0, &[]).refused(&write(&image), "nobody confirmed");
    Parent::of(&mine.0, &[]).refused(&json!({ "Confirm": name }), "no card to be confirmed");
    for typed in ["", theirs.name(), "/dev", "loop", " "] {
        let mut parent = Parent::of(&mine.0, &[]);
        parent.ask(&open().to_string());
        parent.refused(&json!({ "Confirm": typed }), "was not confirmed");
        parent.refused(&json!({ "Confirm": name }), "no card to be confirmed");
        parent.refused(&write(&image), "nobody confirmed");
    }
    let mut parent = Parent::of(&mine.0, &[]);
    parent.ask(&open().to_string());
    parent.refused(&write(&image), "nobody confirmed");

    // no card but the one in its arguments, which sudo has shown
    let mut parent = Parent::new(&[]);
    parent.refused(&open(), "not started for");
    let mut parent = Parent::of(&mine.0, &["--confirmed"]);
    let smuggled = json!({ "Open": { "sequence": null, "path": theirs.0, "card": theirs.0 } });
    let opened = parent.ask(&smuggled.to_string());
    assert_eq!(opened["Card"]["path"], mine.0.to_str().unwrap());
    parent.refused(&open(), "not started for");
    drop(parent);

    // words it does not know, and too many of them
    for nonsense in [
        "",
        "{}",
        "\"Open\"",
        "{\"Write\":{}}",
        "{\"Run\":\"sh\"}",
        "{\"WifiProfiles\":\"/etc\"}",
        "\u{0}",
    ] {
        let mut parent = Parent::of(&mine.0, &[]);
        let reply = parent.ask(nonsense);
        assert!(
            reply["Failed"]["message"]
                .to_string()
                .contains("does not know"),
            "{nonsense}: {reply}"
        );
    }
    assert_eq!(
        Parent::of(&mine.0, &[]).ask(&"[".repeat(9 << 20)),
        Value::Null
    );
    assert!(is_untouched(&file) && is_untouched(&other));

    // one card in its life
    let mut parent = Parent::of(&mine.0, &[]);
    assert_eq!(parent.ask(&open().to_string())["Card"]["confirmed"], false);
    assert_eq!(
        parent.ask(&json!({ "Confirm": name }).to_string()),
        "Confirmed"
    );
    assert!(
        parent
            .ask(&write(&image).to_string())
            .get("Written")
            .is_some()
    );
    parent.refused(&write(&image), "nobody confirmed");
    parent.refused(&open(), "not started for");
    assert!(boots(&file) && holds(&file, 7));
    assert!(is_untouched(&other));
}

#[test]
fn images_and_card_files_are_opened_with_the_users_rights() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 30) else {
        return;
    };
    fs::set_permissions(&image, PermissionsExt::from_mode(0o600)).unwrap();
    let nobody = ["--allow-fixed-disk", "--confirmed", "--card"];
    let with = |card: &Path| {
        let args = [&nobody[..], &[card.to_str().unwrap()]].concat();
        Parent::asked_by(Some("65534"), &args)
    };
    assert!(
        Parent::asked_by(Some("nobody-at-all"), &[]).ask(&open().to_string())["Failed"].is_object()
    );
    for secret in [
        image.as_path(),
        Path::new("/etc/shadow"),
        Path::new("/dev/null"),
    ] {
        let mut parent = with(&device.0);
        assert!(parent.ask(&open().to_string()).get("Card").is_some());
        let reply = parent.ask(&write(secret).to_string());
        let message = reply["Failed"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{reply}"));
        assert!(
            message.contains("could not be opened") || message.contains("neither an image"),
            "{message}"
        );
    }
    assert!(is_untouched(&file));

    // a card file is made by the user, where the user may
    let (theirs, place) = (dir.path().join("root.img"), dir.path().join("place"));
    with(&theirs).refused(&open(), "could not be opened");
    dirty(&theirs, 1);
    fs::set_permissions(&theirs, PermissionsExt::from_mode(0o600)).unwrap();
    with(&theirs).refused(&open(), "could not be opened");
    assert!(is_untouched(&theirs));
    fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(65534), None).unwrap();
    let own = place.join("card.img");
    assert!(with(&own).ask(&open().to_string()).get("Card").is_some());
    assert_eq!(own.metadata().unwrap().uid(), 65534);
}

#[test]
fn another_card_than_the_one_listed_is_not_opened() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("card");
    let Some(device) = card(&file, 30) else {
        return;
    };
    let number = format!("/sys/block/{}/diskseq", device.name());
    let Ok(number) = fs::read_to_string(number) else {
        println!("skipped: this kernel does not number its disks");
        return;
    };
    let number: u64 = number.trim().parse().unwrap();
    // an earlier card in the same reader
    let replaced = json!({ "Open": { "sequence": number - 1 } });
    Parent::of(&device.0, &["--confirmed"]).refused(&replaced, "it was replaced meanwhile");
    let same = json!({ "Open": { "sequence": number } });
    let reply = Parent::of(&device.0, &["--confirmed"]).ask(&same.to_string());
    assert!(reply.get("Card").is_some(), "{reply}");
    assert!(is_untouched(&file));
}

#[test]
fn seeded_files_are_there_when_the_card_is_mounted() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 40, 7) else {
        return;
    };
    let file = dir.path().join("card");
    let Some(device) = card(&file, 50) else {
        return;
    };
    let seed = |path: &str, mode: u32, content: &[u8]| json!({ "path": path, "mode": mode, "content": content });
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let profile = "/var/lib/iwd/Zur Post-1.psk";
    // a second run replaces what the first put there
    for key in [&b"first"[..], &binary] {
        let files = json!([
            seed("/etc/hostname", 0o644, b"bach\n"),
            seed("/etc/ssh/ssh_host_ed25519_key", 0o600, key),
            seed(profile, 0o600, b"[Security]\n"),
            seed("/var/lib/spinet/empty", 0o644, b""),
            // a folder's content stays when a file is put beside it
            seed("/content2", 0o644, b"x"),
        ]);
        let mut parent = Parent::of(&device.0, &["--confirmed"]);
        parent.ask(&open().to_string());
        let request = json!({ "Write": { "image": image, "files": files } });
        let reply = parent.ask(&request.to_string());
        assert!(reply.get("Written").is_some(), "{reply}");
    }
    drop(device);
    let mount = dir.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let options = format!("loop,offset={ROOT}");
    if !set(
        "mount",
        &[
            "-o",
            &options,
            file.to_str().unwrap(),
            mount.to_str().unwrap(),
        ],
    ) {
        return;
    }
    let look = |path: &str| {
        let path = mount.join(path.trim_start_matches('/'));
        let meta = path.metadata().unwrap();
        let content = if meta.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        (meta.mode() & 0o7777, meta.uid(), meta.gid(), content)
    };
    let found: Vec<_> = [
        "/etc/hostname",
        "/etc/ssh/ssh_host_ed25519_key",
        profile,
        "/var/lib/spinet/empty",
        "/etc/ssh",
        "/var/lib/iwd",
        "/content2",
    ]
    .map(look)
    .into();
    let whole = fs::read(mount.join("content")).unwrap();
    assert!(set("umount", &[mount.to_str().unwrap()]));
    let expected = [
        (0o644, 0, 0, b"bach\n".to_vec()),
        (0o600, 0, 0, binary),
        (0o600, 0, 0, b"[Security]\n".to_vec()),
        (0o644, 0, 0, Vec::new()),
        (0o755, 0, 0, Vec::new()),
        (0o700, 0, 0, Vec::new()),
        (0o644, 0, 0, b"x".to_vec()),
    ];
    assert!(found == expected, "modes, owners or contents differ");
    assert!(whole.iter().all(|byte| *byte == 7));
}

#[test]
fn names_that_could_command_debugfs_are_refused() {
    let dir = TempDir::new().unwrap();
    let Some(image) = image(dir.path(), "new.img", 20, 7) else {
        return;
    };
    let card = dir.path().join("card.img");
    for path in [
        "/a\nwrite /etc/shadow b",
        "/a\" \"b",
        "relative",
        "/a\\",
        "",
    ] {
        let mut parent = Parent::of(&card, &["--confirmed"]);
        parent.ask(&open().to_string());
        let files = json!([{ "path": path, "mode": 0o644, "content": [1] }]);
        let request = json!({ "Write": { "image": image, "files": files } });
        parent.refused(&request, "cannot be the name of a file");
        assert!(!boots(&card));
    }
}
