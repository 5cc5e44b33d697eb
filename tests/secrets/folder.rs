//! A plain agenix folder with a home of its own, and people with keys.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Who has a key: `admin` is the user, the others are hosts.
pub const PEOPLE: [&str; 3] = ["admin", "byrd", "orff"];

/// The folder `secrets`, keys and a home beside it, and a place in memory. All of it goes with the test.
pub struct Folder {
    dir: TempDir,
    memory: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    /// `None`, with the reason printed, where there is no nix.
    pub fn new() -> Option<Self> {
        if Command::new("nix-instantiate")
            .arg("--version")
            .output()
            .is_err()
        {
            println!("skipped: no nix");
            return None;
        }
        let folder = Self {
            dir: TempDir::with_prefix("spinet-secrets.").unwrap(),
            memory: TempDir::with_prefix_in("spinet-tests.", "/dev/shm").unwrap(),
        };
        for place in ["secrets", "home/.ssh", "keys", "state", "tmp", "bin"] {
            fs::create_dir_all(folder.dir.path().join(place)).unwrap();
        }
        for who in PEOPLE {
            keygen(&folder.private(who), who, "");
        }
        fs::copy(folder.private("admin"), folder.home(".ssh/id_ed25519")).unwrap();
        Some(folder)
    }

    /// A path in the folder of the secrets.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("secrets").join(name)
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join("home").join(name)
    }

    /// A place outside the secrets.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What spinet keeps outside of the folder of the secrets about it.
    pub fn state(&self) -> PathBuf {
        let tree = self.path("").canonicalize().unwrap();
        let name = tree.display().to_string().replace('/', "%");
        self.beside("state/spinet").join(name)
    }

    /// Where plaintext may be.
    pub fn memory(&self) -> &Path {
        self.memory.path()
    }

    pub fn private(&self, who: &str) -> PathBuf {
        self.dir.path().join("keys").join(who)
    }

    /// Type, key and comment.
    pub fn public(&self, who: &str) -> String {
        let text = fs::read_to_string(self.private(who).with_extension("pub")).unwrap();
        text.trim().to_owned()
    }

    pub fn fingerprint(&self, who: &str) -> String {
        let output = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(self.private(who))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// Writes `secrets.nix`; `@admin@` stands for the admin's public key.
    pub fn rules(&self, text: &str) {
        let mut text = text.to_owned();
        for who in PEOPLE {
            text = text.replace(&format!("@{who}@"), &self.public(who));
        }
        fs::write(self.path("secrets.nix"), text).unwrap();
    }

    /// Rules in the usual form: every file with the people who may read it.
    pub fn simple_rules(&self, files: &[(&str, &[&str])]) {
        let mut text = String::from("let\n");
        for who in PEOPLE {
            text += &format!("  {who} = \"@{who}@\";\n");
        }
        text += "in\n{\n";
        for (file, people) in files {
            text += &format!("  \"{file}\".publicKeys = [ {} ];\n", people.join(" "));
        }
        self.rules(&(text + "}\n"));
    }

    /// Makes an age file without spinet.
    pub fn encrypt(&self, file: &str, content: &str, people: &[&str]) {
        let recipients: Vec<age::ssh::Recipient> = people
            .iter()
            .map(|who| self.public(who).parse().unwrap())
            .collect();
        let encryptor =
            age::Encryptor::with_recipients(recipients.iter().map(|r| r as &dyn age::Recipient))
                .unwrap();
        let mut out = Vec::new();
        let mut writer = encryptor.wrap_output(&mut out).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
        writer.finish().unwrap();
        fs::write(self.path(file), out).unwrap();
    }

    /// What somebody reads in a file without spinet; `None` for those who cannot.
    pub fn decrypt(&self, file: &str, who: &str) -> Option<String> {
        let key = fs::read(self.private(who)).unwrap();
        let key = age::ssh::Identity::from_buffer(&key[..], None).unwrap();
        let cipher = fs::read(self.path(file)).unwrap();
        let armored = age::armor::ArmoredReader::new(&cipher[..]);
        let mut plain = String::new();
        age::Decryptor::new_buffered(armored)
            .unwrap()
            .decrypt(std::iter::once(&key as &dyn age::Identity))
            .ok()?
            .read_to_string(&mut plain)
            .unwrap();
        Some(plain)
    }

    /// spinet in the folder of the secrets, with nothing of the developer's.
    pub fn spinet(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinet"));
        let mut path = self.beside("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command
            .args(args)
            .current_dir(self.path(""))
            .env("PATH", path)
            .env("HOME", self.home(""))
            .env("XDG_STATE_HOME", self.beside("state"))
            .env("XDG_CONFIG_HOME", self.home(".config"))
            .env("XDG_CACHE_HOME", self.home(".cache"))
            .env("XDG_RUNTIME_DIR", self.memory())
            .env("TMPDIR", self.beside("tmp"))
            .env_remove("RULES")
            .env_remove("EDITOR")
            .env_remove("VISUAL");
        command
    }

    /// Runs spinet without a terminal.
    pub fn run(&self, args: &[&str]) -> Done {
        Done::of(self.spinet(args).stdin(Stdio::null()))
    }

    /// Runs spinet with something on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Done {
        let given = self.beside("input");
        fs::write(&given, input).unwrap();
        let done = Done::of(self.spinet(args).stdin(fs::File::open(&given).unwrap()));
        fs::remove_file(given).unwrap();
        done
    }

    /// A program on spinet's PATH.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.beside("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Every file of the folder of the secrets, hidden ones too.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        walk(&self.path(""), &mut |path, content| {
            files.insert(path.to_owned(), content);
        });
        files
    }

    /// The files in which the text lies in clear, anywhere on disk where spinet writes.
    pub fn in_clear(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.dir.path(), &mut |path, content| {
            if content.windows(text.len()).any(|w| w == text.as_bytes()) {
                found.push(path.to_owned());
            }
        });
        found
    }
}

impl Done {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The run must have ended so, and said all of this.
    #[track_caller]
    pub fn expect(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in said {
            assert!(
                self.err.contains(text) || self.out.contains(text),
                "{text:?} is not in {self:#?}"
            );
        }
        self
    }
}

pub fn keygen(path: &Path, comment: &str, passphrase: &str) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", comment, "-N", passphrase, "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path, Vec<u8>)) {
    for entry in dir.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else if let Ok(content) = fs::read(&path) {
            visit(&path, content);
        }
    }
}
