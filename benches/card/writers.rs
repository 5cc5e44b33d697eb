//! The ways to get an image onto the card.

use std::path::Path;
use std::process::Command;

use crate::is_on_path;
use crate::rig::Rig;

pub struct Writer {
    pub name: &'static str,
    /// None if its program is not here.
    pub command: Option<Command>,
    /// It reads back what it wrote.
    verifies: bool,
    pub writes: bool,
    /// It goes past the page cache, where the throttle holds it.
    pub direct: bool,
}

impl Writer {
    fn new(name: &'static str, verifies: bool, command: Command) -> Self {
        let command = is_on_path(&command.get_program().to_string_lossy()).then_some(command);
        Self {
            name,
            command,
            verifies,
            writes: true,
            direct: true,
        }
    }

    pub fn title(&self) -> String {
        let back = if self.verifies { "" } else { ", not verified" };
        format!("{}{back}", self.name)
    }

    pub fn takes_compressed(&self) -> bool {
        self.name.ends_with(".zst")
    }

    pub fn is_spinet(&self) -> bool {
        self.name.starts_with("spinet")
    }
}

pub fn writers(rig: &Rig) -> Vec<Writer> {
    let image = rig.path("card.img");
    let from = format!("if={}", image.display());
    let to = format!("of={}", rig.card().display());
    let dd = |flags: &[&str]| {
        let mut dd = Command::new("dd");
        dd.args([&from, &to, "status=none"]).args(flags);
        dd
    };
    let mut all = vec![
        Writer::new("spinet .img", true, rig.spinet("card.img")),
        Writer::new("spinet .img.zst", true, rig.spinet("card.img.zst")),
        Writer {
            writes: false,
            ..Writer::new("zstd -t .img.zst", false, test_of_compressed(rig))
        },
        Writer::new("dd bs=4M", false, dd(&["bs=4M", "oflag=direct"])),
        Writer::new(
            "dd bs=128k oflag=sync",
            false,
            dd(&["bs=128k", "conv=fsync", "oflag=sync"]),
        ),
    ];
    for (name, file) in [
        ("bmaptool .img", "card.img"),
        ("bmaptool .img.zst", "card.img.zst"),
    ] {
        all.push(Writer {
            direct: false,
            ..Writer::new(name, false, bmaptool(rig, &rig.path(file)))
        });
    }
    for (name, file) in [
        ("caligula .img", "card.img"),
        ("caligula .img.zst", "card.img.zst"),
    ] {
        all.push(Writer::new(
            name,
            true,
            caligula(&rig.path(file), rig.card()),
        ));
    }
    all
}

/// Writes nothing: no writer of compressed images can be faster.
fn test_of_compressed(rig: &Rig) -> Command {
    let mut zstd = Command::new("zstd");
    zstd.args(["-q", "-t"]).arg(rig.path("card.img.zst"));
    zstd
}

fn bmaptool(rig: &Rig, image: &Path) -> Command {
    let mut bmaptool = Command::new("bmaptool");
    if is_on_path("bmaptool") {
        bmaptool.args(["--quiet", "copy", "--bmap"]).arg(rig.bmap());
        bmaptool.arg(image).arg(rig.card());
    }
    bmaptool
}

fn caligula(image: &Path, card: &Path) -> Command {
    let mut caligula = Command::new("caligula");
    caligula.arg("burn").arg(image).arg("-o").arg(card);
    caligula.args([
        "--force",
        "--hash",
        "skip",
        "--interactive",
        "never",
        "--compression",
        "auto",
        "--root",
        "never",
    ]);
    caligula
}
