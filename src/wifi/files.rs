//! Where profiles lie: this machine's own places, or one the user names.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Failure;

/// The program a file belongs to, in order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    Iwd,
    NetworkManager,
    WpaSupplicant,
}

/// A file that may hold profiles.
#[derive(Serialize, Deserialize)]
pub struct ProfileFile {
    pub source: Source,
    /// Without its folder.
    pub name: String,
    pub content: Zeroizing<Vec<u8>>,
}

/// No profile is larger; enterprise ones carry certificates.
const LARGEST: u64 = 256 * 1024;

/// This machine's own places.
pub const PLACES: [(Source, &str); 7] = [
    (Source::Iwd, "/var/lib/iwd"),
    (
        Source::NetworkManager,
        "/etc/NetworkManager/system-connections",
    ),
    (
        Source::NetworkManager,
        "/run/NetworkManager/system-connections",
    ),
    (Source::WpaSupplicant, "/etc/wpa_supplicant.conf"),
    (Source::WpaSupplicant, "/etc/wpa_supplicant"),
    (
        Source::WpaSupplicant,
        "/run/wpa_supplicant/wpa_supplicant.conf",
    ),
    (Source::WpaSupplicant, "/run/wpa_supplicant.conf"),
];

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Iwd => "iwd",
            Self::NetworkManager => "NetworkManager",
            Self::WpaSupplicant => "wpa_supplicant",
        }
    }

    /// Whether a file of this name can be one of its profiles.
    fn has(self, name: &str) -> bool {
        match self {
            Self::Iwd => [".psk", ".open", ".8021x"]
                .iter()
                .any(|end| name.ends_with(end)),
            Self::NetworkManager => {
                !name.starts_with('.') && (name.ends_with(".nmconnection") || !name.contains('.'))
            }
            Self::WpaSupplicant => name.ends_with(".conf"),
        }
    }
}

/// The files in this machine's own places. Called with rights, so it takes no words from anybody.
pub fn of_system() -> Result<Vec<ProfileFile>> {
    let mut files = Vec::new();
    for (source, place) in PLACES {
        match read(Path::new(place), &[source]) {
            Ok(found) => files.extend(found),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(unreadable(Path::new(place), e)),
        }
    }
    Ok(files)
}

/// The files in a folder, or one file, told apart by their names; with the user's own rights.
pub fn of(place: &Path) -> Result<Vec<ProfileFile>> {
    let all = [Source::Iwd, Source::WpaSupplicant, Source::NetworkManager];
    read(place, &all).map_err(|e| unreadable(place, e))
}

/// Whether one of this machine's places is there and closed to this process.
pub fn system_is_closed() -> bool {
    let closed = |path: &str| match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::read_dir(path).is_err(),
        Ok(_) => File::open(path).is_err(),
        Err(e) => e.kind() == io::ErrorKind::PermissionDenied,
    };
    PLACES.iter().any(|(_, path)| closed(path))
}

fn unreadable(place: &Path, error: io::Error) -> anyhow::Error {
    Failure::new(format!(
        "The wifi profiles in {} could not be read.",
        place.display()
    ))
    .hint("Name another folder or file with --wifi-from. A wired host needs none: `spinet bootstrap HOST --no-wifi`.")
    .source(error)
    .into()
}

fn read(place: &Path, sources: &[Source]) -> io::Result<Vec<ProfileFile>> {
    let mut paths: Vec<PathBuf> = if place.is_dir() {
        std::fs::read_dir(place)?
            .flatten()
            .map(|entry| entry.path())
            .collect()
    } else {
        std::fs::metadata(place)?;
        vec![place.to_owned()]
    };
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(source) = sources.iter().copied().find(|source| source.has(&name)) else {
            continue;
        };
        // NixOS' own configuration is a link into the store; a profile with a secret is not
        let follow = source == Source::WpaSupplicant;
        if let Some((modified, content)) = content(&path, follow)? {
            found.push((
                modified,
                ProfileFile {
                    source,
                    name,
                    content,
                },
            ));
        }
    }
    // iwd touches a profile whenever it joins its network
    found.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    Ok(found.into_iter().map(|(_, file)| file).collect())
}

/// `None` for what is no regular file of a profile's size.
fn content(path: &Path, follow: bool) -> io::Result<Option<(SystemTime, Zeroizing<Vec<u8>>)>> {
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !follow);
    let open = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match open {
        Ok(file) => file,
        Err(e)
            if e.kind() == io::ErrorKind::NotFound
                || e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > LARGEST {
        return Ok(None);
    }
    // room for all of it at once, so that no copy of a secret is left behind
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or(0)));
    file.take(LARGEST).read_to_end(&mut content)?;
    Ok(Some((
        meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        content,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_name_and_links_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "Home.psk",
            "Work.8021x",
            "Cafe.nmconnection",
            "Old",
            "wpa_supplicant.conf",
            ".hidden",
            "notes.txt",
            ".known_network.freq",
        ] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/shadow", dir.path().join("evil.psk")).unwrap();
        std::fs::create_dir(dir.path().join("folder.psk")).unwrap();
        std::fs::write(dir.path().join("huge.psk"), vec![0; 300_000]).unwrap();
        let mut found: Vec<_> = of(dir.path())
            .unwrap()
            .into_iter()
            .map(|f| (f.source, f.name))
            .collect();
        found.sort();
        let expected = [
            (Source::Iwd, "Home.psk"),
            (Source::Iwd, "Work.8021x"),
            (Source::NetworkManager, "Cafe.nmconnection"),
            (Source::NetworkManager, "Old"),
            (Source::WpaSupplicant, "wpa_supplicant.conf"),
        ];
        assert_eq!(
            found,
            expected.map(|(source, name)| (source, name.to_owned()))
        );
        assert_eq!(of(&dir.path().join("Home.psk")).unwrap().len(), 1);
        let shown = crate::error::render(&of(&dir.path().join("none")).err().unwrap());
        assert!(shown.contains("--wifi-from"), "{shown}");
    }
}
