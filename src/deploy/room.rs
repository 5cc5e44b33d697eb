//! Whether a host has room for what it lacks, and whether what it has already is whole.

use std::path::Path;

use anyhow::Result;

use super::job::Job;
use crate::error::Failure;
use crate::host::ssh::Target;
use crate::host::status::Status;
use crate::ui::bytes;

/// Below so many free inodes the files of a closure are counted.
const FEW_INODES: u64 = 500_000;
/// What an activation itself needs: logs, generations, decrypted secrets.
const MARGIN: u64 = 16 << 20;

/// What a host has not got of a closure.
#[derive(Debug, Default)]
pub struct Lacking {
    pub paths: usize,
    pub bytes: u64,
}

impl Job<'_> {
    /// What the host lacks of the closure; an error if that does not fit.
    pub(super) async fn lacking(
        &self,
        target: &Target,
        status: &Status,
        toplevel: &Path,
    ) -> Result<Lacking> {
        let sizes = self.run.nix.closure_sizes(toplevel).await?;
        let paths = sizes.keys().fold(String::new(), |l, path| l + path + "\n");
        if status.leftover {
            self.drop_broken(target, &paths).await?;
        }
        let root = &self.guard(&target.host.user).root;
        let remote = root.run(&LACKING, paths.as_bytes());
        let lacking = self.must(target, &remote).await?;
        let lacking: Vec<&str> = lacking.lines().filter(|p| sizes.contains_key(*p)).collect();
        let needed: u64 = lacking.iter().filter_map(|path| sizes.get(*path)).sum();
        let name = self.name();
        if needed > 0 && needed.saturating_add(MARGIN) > status.free {
            let what = format!(
                "{name} lacks {} of the closure, but its store has {} free.",
                bytes(needed),
                bytes(status.free)
            );
            return Err(self.no_room(&what).into());
        }
        if let Some(free) = status.free_inodes.filter(|free| *free < FEW_INODES) {
            let files: u64 = lacking.iter().map(|path| files(Path::new(path))).sum();
            if files > free {
                let what = format!(
                    "{name} lacks {files} files of the closure, but its file system has room for {free}."
                );
                return Err(self.no_room(&what).into());
            }
        }
        self.check_boot(status, toplevel)?;
        Ok(Lacking {
            paths: lacking.len(),
            bytes: needed,
        })
    }

    pub(super) fn no_room(&self, what: &str) -> Failure {
        let (user, address) = (&self.host.user, &self.host.address);
        Failure::new(what)
            .hint(format!(
                "Make room: ssh {user}@{address} nix-collect-garbage --delete-older-than 7d"
            ))
            .hint("The configurations that run, that boot, and that spinet would go back to stay.")
    }

    /// Kernels are copied to /boot, which may be a file system of its own.
    fn check_boot(&self, status: &Status, toplevel: &Path) -> Result<()> {
        let Some(free) = status.free_boot else {
            return Ok(());
        };
        let size = |file: &str| toplevel.join(file).metadata().map_or(0, |m| m.len());
        let needed = size("kernel") + size("initrd");
        if needed <= free {
            return Ok(());
        }
        Err(Failure::new(format!(
            "Kernel and initrd take {}, but /boot on {} has {} free.",
            bytes(needed),
            self.name(),
            bytes(free)
        ))
        .hint("Lower the number of configurations that can be booted (`configurationLimit` of the boot loader), or delete old generations there.")
        .into())
    }

    /// A power cut while paths are written can leave them registered and empty: nix does not flush them by itself. Looks
    /// at those that only the new closure has, and deletes the broken ones.
    async fn drop_broken(&self, target: &Target, paths: &str) -> Result<()> {
        let name = self.name();
        self.ui().say(format!(
            "{name}: an earlier copy was interrupted; verifying what it left"
        ));
        let root = &self.guard(&target.host.user).root;
        let remote = root.run(&["sh", "-c", DROP_BROKEN], paths.as_bytes());
        let dropped = self.must(target, &remote).await?;
        for path in dropped.lines() {
            self.ui().warn(format!(
                "{name}: {} was damaged, and is copied again.",
                crate::ui::visible(path)
            ));
        }
        Ok(())
    }
}

/// Prints those of the paths on standard input that the host does not have.
const LACKING: [&str; 4] = ["xargs", "nix-store", "--check-validity", "--print-invalid"];

/// Prints and deletes those of the paths on standard input that no permanent system uses and that are not what their
/// hashes say, with what refers to them.
const DROP_BROKEN: &str = r#"
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
sort >"$dir/all"
xargs nix-store --check-validity --print-invalid <"$dir/all" 2>/dev/null | sort >"$dir/invalid" || :
for system in /nix/var/nix/profiles/system /run/current-system; do
  [ ! -e "$system" ] || nix-store --query --requisites "$(readlink -f "$system")"
done | sort -u >"$dir/used"
comm -23 "$dir/all" "$dir/invalid" | comm -23 - "$dir/used" >"$dir/new"
while read -r path; do
  nix-store --verify-path "$path" >/dev/null 2>&1 || echo "$path"
done <"$dir/new" >"$dir/bad"
rm -f /nix/var/nix/gcroots/spinet/*-new
[ -s "$dir/bad" ] || exit 0
xargs nix-store --query --referrers-closure <"$dir/bad" | sort -u >"$dir/drop"
xargs nix-store --delete --ignore-liveness <"$dir/drop" >&2
cat "$dir/bad"
"#;

/// How many files and folders are below a path, itself included.
fn files(path: &Path) -> u64 {
    let mut count = 1;
    let Ok(entries) = std::fs::read_dir(path) else {
        return count;
    };
    for entry in entries.flatten() {
        count += match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            _ => 1,
        };
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_folder_and_link_takes_an_inode() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/b"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("c")).unwrap();
        assert_eq!(files(dir.path()), 4);
    }
}
