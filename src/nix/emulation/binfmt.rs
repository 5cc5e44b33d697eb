//! The kernel's table of interpreters for foreign programs (Linux' admin-guide/binfmt-misc.rst), read the way the kernel
//! uses it: an entry counts for the programs whose first bytes its magic matches, whatever its name says.

use std::fs;
use std::path::{Path, PathBuf};

use super::elf::{self, Program};

/// Where the kernel shows the table.
pub const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// The table.
#[derive(Debug, Default)]
pub struct Binfmt {
    /// `status`; none when the table is not mounted.
    pub enabled: Option<bool>,
    pub entries: Vec<Entry>,
}

/// An interpreter, and the programs it is for.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: String,
    pub enabled: bool,
    pub interpreter: PathBuf,
    /// Flag F: the kernel holds the interpreter open since it was registered, so nobody needs to see its file.
    pub fixed: bool,
    offset: usize,
    magic: Vec<u8>,
    /// As long as the magic.
    mask: Vec<u8>,
    /// What lies at `interpreter`.
    pub program: Program,
}

impl Binfmt {
    pub fn read(folder: &Path) -> Self {
        let status = fs::read_to_string(folder.join("status")).ok();
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries = files.filter_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            let mut entry = Entry::parse(&name, &fs::read_to_string(file.path()).ok()?)?;
            entry.program = Program::read(&entry.interpreter);
            Some(entry)
        });
        Self {
            enabled: status.map(|text| text.trim() == "enabled"),
            entries: entries.collect(),
        }
    }

    /// The entries for programs of `system`; the enabled ones first, the fixed ones before others.
    pub fn entries_for(&self, system: &str) -> Vec<&Entry> {
        let mut entries: Vec<_> = self.entries.iter().filter(|e| e.runs(system)).collect();
        entries.sort_by_key(|e| (!e.enabled, !e.fixed, &e.name));
        entries
    }
}

impl Entry {
    /// An entry as the kernel prints it; none for the files beside the entries, and for entries that go by a file's name.
    pub fn parse(name: &str, text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
        };
        let magic = bytes(value("magic ")?)?;
        let mask = match value("mask ") {
            Some(mask) => bytes(mask)?,
            None => vec![0xff; magic.len()],
        };
        Some(Self {
            name: name.to_owned(),
            enabled: text.lines().next() == Some("enabled"),
            interpreter: value("interpreter ")?.into(),
            fixed: value("flags:").is_some_and(|flags| flags.contains('F')),
            offset: value("offset ")?.parse().ok()?,
            magic,
            mask,
            program: Program::Unknown,
        })
    }

    /// Programs of `system` are given to this interpreter, those at a fixed address and those at any.
    fn runs(&self, system: &str) -> bool {
        elf::headers(system)
            .is_some_and(|headers| headers.iter().all(|header| self.matches(header)))
    }

    fn matches(&self, header: &[u8]) -> bool {
        let Some(start) = header.get(self.offset..) else {
            return false;
        };
        let pattern = self.magic.iter().zip(&self.mask);
        self.magic.len() <= start.len()
            && pattern
                .zip(start)
                .all(|((magic, mask), byte)| (magic ^ byte) & mask == 0)
    }
}

/// Hexadecimal digits, two a byte.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// As a 6.18 kernel prints what Debian's qemu-user-static registers.
    const AARCH64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: PF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
    const ARM: &str = "enabled\ninterpreter /usr/bin/qemu-arm-static\nflags: PF\noffset 0\n\
        magic 7f454c4601010100000000000000000002002800\nmask ffffffffffffff00fffffffffffffffffeffffff\n";
    const JAR: &str = "enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n";

    pub fn aarch64(flags: &str, program: Program) -> Entry {
        let text = AARCH64.replace("PF", flags);
        let mut entry = Entry::parse("qemu-aarch64", &text).unwrap();
        entry.program = program;
        entry
    }

    pub fn table(entries: Vec<Entry>) -> Binfmt {
        Binfmt {
            enabled: Some(true),
            entries,
        }
    }

    #[test]
    fn an_entry_is_for_the_programs_its_magic_matches() {
        let entry = Entry::parse("anything", AARCH64).unwrap();
        assert!(entry.enabled && entry.fixed && entry.runs("aarch64-linux"));
        assert!(!entry.runs("armv7l-linux") && !entry.runs("x86_64-linux"));
        let named = Entry::parse("qemu-aarch64", ARM).unwrap();
        assert!(!named.runs("aarch64-linux"));
        assert!(named.runs("armv7l-linux") && named.runs("armv6l-linux"));
        assert!(!named.runs("unheard-of"));
    }

    #[test]
    fn a_magic_without_mask_must_match_every_byte() {
        let text = AARCH64.lines().take(5).collect::<Vec<_>>().join("\n");
        // programs at any address are not among them
        assert!(!Entry::parse("a", &text).unwrap().runs("aarch64-linux"));
        // long enough to tell the machine, or the program could be any
        let machine = "enabled\ninterpreter /q\nflags: \noffset 18\nmagic b700\n";
        assert!(Entry::parse("b", machine).unwrap().runs("aarch64-linux"));
        let beyond = "enabled\ninterpreter /q\nflags: \noffset 128\nmagic b700\n";
        assert!(!Entry::parse("c", beyond).unwrap().runs("aarch64-linux"));
    }

    #[test]
    fn what_is_no_magic_is_passed_over() {
        assert!(Entry::parse("jar", JAR).is_none());
        assert!(Entry::parse("status", "enabled\n").is_none());
        assert!(Entry::parse("odd", &AARCH64.replace("7f45", "7x45")).is_none());
    }

    #[test]
    fn the_entry_that_serves_best_comes_first() {
        let mut off = aarch64("PF", Program::Static);
        off.enabled = false;
        let table = table(vec![
            off,
            aarch64("P", Program::Static),
            aarch64("F", Program::Static),
            Entry::parse("arm", ARM).unwrap(),
        ]);
        let found = table.entries_for("aarch64-linux");
        let found: Vec<_> = found.iter().map(|e| (e.enabled, e.fixed)).collect();
        assert_eq!(found, [(true, true), (true, false), (false, true)]);
    }

    #[test]
    fn a_table_that_is_not_mounted_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let table = Binfmt::read(folder.path());
        assert!(table.enabled.is_none() && table.entries.is_empty());
        fs::write(folder.path().join("status"), "disabled\n").unwrap();
        fs::write(folder.path().join("qemu"), AARCH64).unwrap();
        let table = Binfmt::read(folder.path());
        assert_eq!((table.enabled, table.entries.len()), (Some(false), 1));
    }
}
