//! Scratch copies of real git repositories, with rules that nix evaluates.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::scratch::{Original, Scratch};
use crate::fleet::{Flake, Fleet, Host, HostSecret, Needs};
use crate::process::{self, Cmd};
use crate::ui::{Shown, Ui};

const ADMIN: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJjxjeO6yj3D1vTmdmnHZMmyKWkGRkVVI/yB1AhDkHi";
const BACH: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKcR2N0Gv8dr1mXD9KMS3zPXDNmzDYAD1nvvvDFWFbvK";
const SPARE: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

const RULES: &str = r#"let keys = import ../keys.nix; in {
  "wifi.age".publicKeys = [ keys.admin keys.bach ];
  "deep/token.age".publicKeys = [ keys.admin keys.spare ];
  "later.age".publicKeys = [ keys.admin ];
}"#;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// A flake's repository with these files, all tracked.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Self(dir);
        repository.git(&["init", "--quiet"]);
        for (name, text) in files {
            let path = repository.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        repository.git(&["add", "--all", "--force"]);
        repository
    }

    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        block_on(Cmd::new("git").args(args).dir(self.0.path()).text()).unwrap()
    }

    /// A rehearsal's copy of it; none where there is no nix.
    fn scratch(&self, contents: Option<&Path>) -> Option<anyhow::Result<Scratch>> {
        if process::find("nix-instantiate").is_none() {
            eprintln!("skipped: no nix");
            return None;
        }
        let flake = Flake {
            dir: self.path(),
            work_tree: self.path(),
        };
        let fleet = Fleet::of(
            [Host::named("bach")],
            "secrets/secrets.nix",
            "hosts/known_hosts",
        );
        let secret = |file: &str, wifi| HostSecret {
            file: file.into(),
            wifi,
        };
        let needs = Needs {
            secrets: vec![
                secret("secrets/wifi.age", true),
                secret("secrets/deep/token.age", false),
            ],
            authorized_keys: vec![format!("{ADMIN} me@home")],
        };
        let original = Original {
            flake: &flake,
            fleet: &fleet,
            host: fleet.host("bach").unwrap(),
            needs: &needs,
            contents,
        };
        Some(block_on(Scratch::of(
            &original,
            &Ui::new(false, false, Shown::Nothing),
        )))
    }
}

fn usual() -> Repository {
    let keys = format!(r#"{{ admin = "{ADMIN} me@home"; bach = "{BACH}"; spare = "{SPARE}"; }}"#);
    let repository = Repository::new(&[
        ("flake.nix", "{ }"),
        (".gitignore", "ignored*\n"),
        ("ignored-but-tracked", "x"),
        ("gone", "x"),
        ("keys.nix", &keys),
        ("hosts/bach/me.pub", &format!("{ADMIN} me@home\n")),
        ("hosts/known_hosts", &format!("bach.local,bach {BACH}\n")),
        ("secrets/secrets.nix", RULES),
        ("secrets/wifi.age", "not to be read"),
        ("secrets/deep/token.age", "not to be read"),
    ]);
    std::os::unix::fs::symlink("flake.nix", repository.path().join("link")).unwrap();
    repository.git(&["add", "link"]);
    std::fs::remove_file(repository.path().join("gone")).unwrap();
    std::fs::write(repository.path().join("untracked"), "x").unwrap();
    repository
}

/// What a secret of the copy holds, read with its one private key that can.
fn content(scratch: &Scratch, name: &str) -> String {
    let file = std::fs::read(scratch.flake.dir.join("secrets").join(name)).unwrap();
    let identities = scratch.identities.iter().map(|path| {
        let key = std::fs::read(path).unwrap();
        age::ssh::Identity::from_buffer(&key[..], None).unwrap()
    });
    let identities: Vec<_> = identities.collect();
    let decryptor = age::Decryptor::new(&file[..]).unwrap();
    let all = identities
        .iter()
        .map(|identity| identity as &dyn age::Identity);
    let mut text = String::new();
    decryptor
        .decrypt(all)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn a_copy_has_made_keys_wherever_the_flake_has_others_and_new_secrets_for_them() {
    let repository = usual();
    let before = repository.git(&["status", "--porcelain"]);
    let Some(scratch) = repository.scratch(None) else {
        return;
    };
    let scratch = scratch.unwrap();
    let copy = |name: &str| std::fs::read_to_string(scratch.flake.dir.join(name)).unwrap();
    for file in ["keys.nix", "hosts/bach/me.pub", "hosts/known_hosts"] {
        for key in [ADMIN, BACH, SPARE] {
            assert!(!copy(file).contains(key), "{file}");
        }
    }
    // the same key everywhere, comments and names as they were
    let made = copy("hosts/bach/me.pub");
    assert!(copy("keys.nix").contains(made.trim_end()), "{made}");
    assert!(
        made.ends_with(" me@home\n")
            && copy("hosts/known_hosts").starts_with("bach.local,bach ssh-ed25519 ")
    );
    // the host's own private key is nobody's to read secrets with
    assert_eq!((scratch.identities.len(), scratch.logins.len()), (2, 1));
    assert_eq!(content(&scratch, "deep/token.age"), "rehearsal\n");
    let wifi = content(&scratch, "wifi.age");
    assert!(wifi.starts_with("# iwd: spinet rehearsal.psk\n"), "{wifi}");
    assert!(scratch.has_wifi && !scratch.flake.dir.join("secrets/later.age").exists());
    // what git has, as it lies there
    assert_eq!(copy("ignored-but-tracked"), "x");
    assert!(scratch.flake.dir.join("link").is_symlink());
    assert!(
        !scratch.flake.dir.join("gone").exists() && !scratch.flake.dir.join("untracked").exists()
    );
    let status = Cmd::new("git")
        .args(["status", "--porcelain"])
        .dir(&scratch.flake.dir);
    assert_eq!(block_on(status.text()).unwrap(), "");
    // and nothing of the original is changed
    assert_eq!(repository.git(&["status", "--porcelain"]), before);
    assert_eq!(
        std::fs::read(repository.path().join("secrets/wifi.age")).unwrap(),
        b"not to be read"
    );
}

#[test]
fn contents_that_services_must_be_able_to_read_can_be_given() {
    let given = tempfile::tempdir().unwrap();
    std::fs::create_dir(given.path().join("deep")).unwrap();
    std::fs::write(given.path().join("deep/token"), "made by hand").unwrap();
    if let Some(scratch) = usual().scratch(Some(given.path())) {
        assert_eq!(content(&scratch.unwrap(), "deep/token.age"), "made by hand");
    }
}

#[test]
fn a_key_that_cannot_be_replaced_is_named() {
    let (start, end) = ADMIN.split_at(40);
    let rules = format!(r#"{{ "a.age".publicKeys = [ ("{start}" + "{end} me@home") ]; }}"#);
    let repository = Repository::new(&[
        ("flake.nix", "{ }"),
        ("secrets/secrets.nix", &rules),
        ("secrets/a.age", ""),
    ]);
    if let Some(scratch) = repository.scratch(None) {
        let error = scratch.err().unwrap();
        let shown = crate::error::render(&error);
        assert!(shown.contains("The key me@home may read a.age"), "{shown}");
    }
}

#[test]
fn the_folder_goes_with_its_owner_and_nobody_else_can_look_into_it() {
    use std::os::unix::fs::PermissionsExt;
    if let Some(scratch) = usual().scratch(None) {
        let scratch = scratch.unwrap();
        let folder = scratch.path().to_owned();
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(scratch);
        assert!(!folder.exists());
    }
}
