//! A flake with one host that is right in every way: in git, pinned, its secret readable by whom it should be.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::folder::{Done, Folder};

/// Works without a daemon; nothing is fetched.
pub const NIX_CONFIG: &str = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\nsandbox = false\nflake-registry =\nwarn-dirty = false";

pub struct Scene {
    pub folder: Folder,
    nix_config: String,
}

/// What a run found.
pub struct Found {
    pub done: Done,
    findings: Vec<Value>,
}

impl Scene {
    /// None, with a printed reason, where there is no nix.
    pub fn new() -> Option<Self> {
        let folder = Folder::new()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (from, to) in [
            ("tests/doctor/flake.nix", "flake.nix"),
            ("tests/standin/nixpkgs", "standin/nixpkgs"),
            ("tests/standin/agenix", "standin/agenix"),
            ("nix", "spinet"),
        ] {
            let to = folder.path(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(root.join(from)).arg(to);
            assert!(copy.status().unwrap().success());
        }
        fs::create_dir(folder.path("hosts")).unwrap();
        folder.simple_rules(&[("token.age", &["admin", "byrd"])]);
        folder.encrypt("token.age", "42", &["admin", "byrd"]);
        let scene = Self {
            folder,
            nix_config: NIX_CONFIG.to_owned(),
        };
        scene.write(
            "hosts/default.nix",
            "{ byrd = { system = \"x86_64-linux\"; address = \"byrd.example.org\"; modules = [ ./byrd.nix ]; }; }\n",
        );
        scene.write(
            "hosts/byrd.nix",
            &format!(
                "{{\n  system.stateVersion = \"26.05\";\n  age.secrets.token.file = ../token.age;\n  users.users.root.openssh.authorizedKeys.keys = [ \"{}\" ];\n}}\n",
                scene.folder.public("admin")
            ),
        );
        let pin = format!("byrd {}\n", scene.folder.public("byrd"));
        scene.write("hosts/known_hosts", &pin);
        let public = scene.folder.public("admin");
        fs::write(scene.folder.home(".ssh/id_ed25519.pub"), public).unwrap();
        scene.git(&["init", "-q"]);
        scene.git(&["add", "-A"]);
        Some(scene)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path(file), text).unwrap();
    }

    /// Puts another text in the place of one in a file.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.folder.path(file)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(file, &text.replace(from, to));
    }

    pub fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(args).current_dir(self.folder.path(""));
        assert!(git.status().unwrap().success(), "{args:?}");
    }

    /// One more line of settings for nix.
    pub fn set(&mut self, line: &str) {
        self.nix_config = format!("{}\n{line}", self.nix_config);
    }

    pub fn doctor(&self, args: &[&str]) -> Command {
        let mut command = self.folder.spinet(&[&["doctor"], args].concat());
        command
            .stdin(Stdio::null())
            .env("NIX_CONFIG", &self.nix_config)
            .env_remove("SSH_AUTH_SOCK")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    }

    /// What it finds; this must change no file.
    #[track_caller]
    pub fn look(&self, args: &[&str]) -> Found {
        let before = self.folder.files();
        let found = Found::of(&mut self.doctor(&[&["--json"], args].concat()));
        assert!(before == self.folder.files(), "a file was changed");
        found
    }
}

impl Found {
    #[track_caller]
    pub fn of(command: &mut Command) -> Self {
        let done = Done::of(command);
        let findings = serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        Self { done, findings }
    }

    /// One of the findings of a check has this verdict and says all of this.
    #[track_caller]
    pub fn expect(&self, subject: &str, check: &str, verdict: &str, texts: &[&str]) -> &Self {
        let fits = |finding: &&Value| finding["subject"] == subject && finding["check"] == check;
        let all: Vec<_> = self.findings.iter().filter(fits).collect();
        let says = |finding: &&&Value| {
            let said = format!("{} {}", finding["message"], finding["remedy"]);
            finding["verdict"] == verdict && texts.iter().all(|text| said.contains(text))
        };
        assert!(
            all.iter().any(|finding| says(&finding)),
            "{subject} {check} {verdict} {texts:?} is not in {all:#?}"
        );
        self
    }

    /// The subject's findings are all in order.
    #[track_caller]
    pub fn in_order(&self, subjects: &[&str]) -> &Self {
        for subject in subjects {
            let mut own = self.findings.iter().filter(|f| f["subject"] == *subject);
            assert!(own.clone().next().is_some(), "nothing about {subject}");
            assert!(
                own.all(|f| f["verdict"] == "ok"),
                "{subject}: {:#?}",
                self.findings
            );
        }
        self
    }

    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        assert_eq!(self.done.code, Some(code), "{:#?}", self.findings);
        self
    }
}
