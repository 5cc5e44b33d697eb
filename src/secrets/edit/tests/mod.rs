//! Rules as people write them, edited and evaluated by the real nix.

use super::*;

mod beside;
mod files;
mod one_file;
mod random;

const ADMIN: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICvCGww6PAuUQq74q2fNJz0wl+qk9robmcme7TyJ+cFK";
const OLD: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF4Se/bXbnc5KJoQ6C5TmcKZFpu6WI9gu2wEzC6ba000";
const BYRD: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJjxjeO6yj3D1vTmdmnHZMmyKWkGRkVVI/yB1AhDkHi";
const NEW: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKcR2N0Gv8dr1mXD9KMS3zPXDNmzDYAD1nvvvDFWFbvK root@bach";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Without a terminal several candidates are an error.
fn nobody(question: &str, _: &[Recipient]) -> Result<usize> {
    Err(Failure::new(question).into())
}

/// As [`Edit::write`] does, without a journal in the home of whoever runs the tests.
fn write(edit: &Edit) {
    for file in edit.replacements() {
        std::fs::write(file.path, file.after).unwrap();
    }
}

/// Plans the enrolment of `bach` for `a.age`, writes it, and returns the files as they are afterwards.
fn enroll(files: &[(&str, &str)], old_key: Option<&str>) -> Option<Result<Vec<String>>> {
    if crate::process::find("nix-instantiate").is_none() {
        eprintln!("skipped: no nix");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = text
            .replace("@ADMIN@", ADMIN)
            .replace("@OLD@", OLD)
            .replace("@BYRD@", BYRD);
        std::fs::write(path, text).unwrap();
    }
    let secrets = ["a.age".to_owned()];
    let wanted = Enrollment {
        name: "bach",
        key: NEW,
        old_key,
        added: &[],
        secrets: &secrets,
        choose: &nobody,
    };
    let rules = dir.path().join(files[0].0);
    let load = || Rules::load(&rules, dir.path());
    let result = block_on(async {
        write(&super::enroll(&load().await?, &wanted).await?);
        assert!(
            super::enroll(&load().await?, &wanted).await?.is_empty(),
            "the second enrolment changes something"
        );
        anyhow::Ok(())
    });
    Some(result.map(|()| {
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let made = ["keys/bach.pub"].into_iter().filter(|name| {
            dir.path().join(name).exists() && files.iter().all(|(given, _)| given != name)
        });
        files
            .iter()
            .map(|(name, _)| *name)
            .chain(made)
            .map(|name| {
                read(name)
                    .replace(ADMIN, "@ADMIN@")
                    .replace(OLD, "@OLD@")
                    .replace(BYRD, "@BYRD@")
                    .replace(NEW.rsplit_once(' ').unwrap().0, "@NEW@")
            })
            .collect()
    }))
}
