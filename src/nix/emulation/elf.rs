//! What is to be known of ELF: how the programs of a system begin, and whether a program can do without libraries.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The part of a program that is looked at, in bytes; program headers lie at its start.
const HEAD: u64 = 4096;
/// Program header of the loader that a dynamic program names.
const PT_INTERP: u64 = 3;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    Missing,
    /// Needs no other file.
    Static,
    /// Needs this loader, and libraries with it.
    Dynamic(PathBuf),
    /// Unreadable, or a script.
    Unknown,
}

impl Program {
    pub fn read(path: &Path) -> Self {
        let mut head = Vec::new();
        match File::open(path) {
            Ok(file) => match file.take(HEAD).read_to_end(&mut head) {
                Ok(_) => Self::parse(&head),
                Err(_) => Self::Unknown,
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::Missing,
            Err(_) => Self::Unknown,
        }
    }

    fn parse(head: &[u8]) -> Self {
        parse(head).unwrap_or(Self::Unknown)
    }
}

/// None when it is no ELF program whose program headers lie within the head.
fn parse(head: &[u8]) -> Option<Program> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let big_endian = *head.get(5)? == 2;
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at.checked_add(length)?)?;
        let push = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if big_endian {
            bytes.iter().fold(0, push)
        } else {
            bytes.iter().rev().fold(0, push)
        })
    };
    let at = |at: usize, length: usize| number(at, length).and_then(|n| usize::try_from(n).ok());
    // e_phoff, e_phentsize and e_phnum; p_offset and p_filesz
    let (start, size, count) = if wide {
        (at(32, 8)?, at(54, 2)?, at(56, 2)?)
    } else {
        (at(28, 4)?, at(42, 2)?, at(44, 2)?)
    };
    for index in 0..count {
        let header = start.checked_add(index.checked_mul(size)?)?;
        if number(header, 4)? == PT_INTERP {
            let (from, length) = if wide {
                (
                    at(header.checked_add(8)?, 8)?,
                    at(header.checked_add(32)?, 8)?,
                )
            } else {
                (
                    at(header.checked_add(4)?, 4)?,
                    at(header.checked_add(16)?, 4)?,
                )
            };
            let name = head.get(from..from.checked_add(length)?)?;
            let name = std::str::from_utf8(name).ok()?.trim_end_matches('\0');
            return Some(Program::Dynamic(name.into()));
        }
    }
    Some(Program::Static)
}

/// The first bytes of the programs of `system`: one at a fixed address, one at any. None for a system not known here.
pub fn headers(system: &str) -> Option<[Vec<u8>; 2]> {
    // class 1 is 32 and 2 is 64 bits, data 1 is little and 2 is big endian; machines are those of elf.h
    let (class, data, machine): (u8, u8, u16) = match system.strip_suffix("-linux")? {
        "aarch64" => (2, 1, 183),
        "armv5tel" | "armv6l" | "armv7l" => (1, 1, 40),
        "i686" => (1, 1, 3),
        "loongarch64" => (2, 1, 258),
        "powerpc64le" => (2, 1, 21),
        "riscv64" => (2, 1, 243),
        "s390x" => (2, 2, 22),
        "x86_64" => (2, 1, 62),
        _ => return None,
    };
    let number = |n: u16| {
        if data == 2 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let header = |kind: u16| {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([class, data, 1]);
        bytes.resize(16, 0);
        bytes.extend(number(kind));
        bytes.extend(number(machine));
        bytes
    };
    Some([header(2), header(3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader() {
        // tests are linked to the C library
        let own = std::env::current_exe().unwrap();
        let Program::Dynamic(loader) = Program::read(&own) else {
            panic!("{:?}", Program::read(&own));
        };
        assert!(loader.is_file(), "{loader:?}");
    }

    #[test]
    fn a_program_without_loader_is_static() {
        let mut head = headers("aarch64-linux").unwrap()[0].clone();
        head.resize(64, 0);
        assert_eq!(Program::parse(&head), Program::Static);
        let mut narrow = headers("armv7l-linux").unwrap()[0].clone();
        narrow.resize(52, 0);
        assert_eq!(Program::parse(&narrow), Program::Static);
    }

    #[test]
    fn what_is_no_program_is_unknown_and_what_is_not_there_missing() {
        assert_eq!(Program::parse(b"#!/bin/sh\n"), Program::Unknown);
        assert_eq!(Program::parse(b"\x7fELF\x02\x01"), Program::Unknown);
        assert_eq!(Program::read(Path::new("/nonexistent")), Program::Missing);
    }
}
