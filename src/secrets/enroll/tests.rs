//! Rules as people write them, edited and evaluated by the real nix.

use super::*;

const ADMIN: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICvCGww6PAuUQq74q2fNJz0wl+qk9robmcme7TyJ+cFK";
const OLD: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF4Se/bXbnc5KJoQ6C5TmcKZFpu6WI9gu2wEzC6ba000";
const BYRD: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPJjxjeO6yj3D1vTmdmnHZMmyKWkGRkVVI/yB1AhDkHi";
const NEW: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKcR2N0Gv8dr1mXD9KMS3zPXDNmzDYAD1nvvvDFWFbvK root@bach";

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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let secrets = ["a.age".to_owned()];
    let wanted = Enrollment {
        name: "bach",
        key: NEW,
        old_key,
        secrets: &secrets,
    };
    let rules = dir.path().join(files[0].0);
    let load = || Rules::load(&rules, dir.path());
    let result = runtime.block_on(async {
        plan(&load().await?, &wanted).await?.write()?;
        assert!(
            plan(&load().await?, &wanted).await?.is_empty(),
            "the second enrolment changes something"
        );
        anyhow::Ok(())
    });
    Some(result.map(|()| {
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        files
            .iter()
            .map(|(name, _)| {
                read(name)
                    .replace(ADMIN, "@ADMIN@")
                    .replace(OLD, "@OLD@")
                    .replace(BYRD, "@BYRD@")
                    .replace(NEW.rsplit_once(' ').unwrap().0, "@NEW@")
            })
            .collect()
    }))
}

fn becomes(before: &str, after: &str) {
    let Some(result) = enroll(&[("secrets.nix", before)], None) else {
        return;
    };
    assert_eq!(result.unwrap(), [after.to_owned()]);
}

#[test]
fn the_old_key_is_found_by_name_and_only_the_key_changes() {
    becomes(
        "# who reads what\nlet\n  admin = \"@ADMIN@ me@verdi\"; # mine\n  root_bach = \"@OLD@ root@bach\";\nin\n{\n  \"a.age\".publicKeys = [ admin root_bach ];\n}",
        "# who reads what\nlet\n  admin = \"@ADMIN@ me@verdi\"; # mine\n  root_bach = \"@NEW@ root@bach\";\nin\n{\n  \"a.age\".publicKeys = [ admin root_bach ];\n}",
    );
}

#[test]
fn a_new_key_stands_beside_its_neighbours_and_is_named_like_them() {
    becomes(
        "let\r\n  admin = \"@ADMIN@\";\r\n  root_byrd = \"@BYRD@ root@byrd\";\r\nin\r\n{\r\n  \"a.age\".publicKeys = [\r\n    admin # me\r\n  ];\r\n  \"b.age\".publicKeys = [ admin root_byrd ];\r\n}\r\n",
        "let\r\n  admin = \"@ADMIN@\";\r\n  root_byrd = \"@BYRD@ root@byrd\";\r\n  root_bach = \"@NEW@ root@bach\";\r\nin\r\n{\r\n  \"a.age\".publicKeys = [\r\n    admin\r\n    root_bach # me\r\n  ];\r\n  \"b.age\".publicKeys = [ admin root_byrd ];\r\n}\r\n",
    );
}

#[test]
fn a_group_is_used_when_it_fits_exactly() {
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@\";\n  systems = [ byrd ];\nin\n{\n  \"a.age\".publicKeys = [ admin ] ++ systems;\n  \"b.age\".publicKeys = [ admin ];\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@\";\n  bach = \"@NEW@ root@bach\";\n  systems = [ byrd bach ];\nin\n{\n  \"a.age\".publicKeys = [ admin ] ++ systems;\n  \"b.age\".publicKeys = [ admin ];\n}\n",
    );
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@\";\n  systems = [ byrd ];\nin\n{\n  \"a.age\".publicKeys = [ admin ] ++ systems;\n  \"b.age\".publicKeys = systems;\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@\";\n  bach = \"@NEW@ root@bach\";\n  systems = [ byrd ];\nin\n{\n  \"a.age\".publicKeys = [ admin ] ++ systems ++ [ bach ];\n  \"b.age\".publicKeys = systems;\n}\n",
    );
}

#[test]
fn nested_sets_dotted_names_with_and_options_keep_their_shape() {
    becomes(
        "let\n  users = { admin = \"@ADMIN@\"; };\n  systems = {\n    byrd = \"@BYRD@ root@byrd\";\n  };\nin\n{\n  \"a.age\" = { publicKeys = with users; [ admin ]; armor = true; };\n}\n",
        "let\n  users = { admin = \"@ADMIN@\"; };\n  systems = {\n    byrd = \"@BYRD@ root@byrd\";\n    bach = \"@NEW@ root@bach\";\n  };\nin\n{\n  \"a.age\" = { publicKeys = with users; [ admin ] ++ [ systems.bach ]; armor = true; };\n}\n",
    );
    becomes(
        "let\n  systems.byrd = \"@BYRD@ root@byrd\";\nin\n{\n  \"a.age\".publicKeys = builtins.attrValues { inherit (systems) byrd; };\n}\n",
        "let\n  systems.byrd = \"@BYRD@ root@byrd\";\n  systems.bach = \"@NEW@ root@bach\";\nin\n{\n  \"a.age\".publicKeys = builtins.attrValues { inherit (systems) byrd; } ++ [ systems.bach ];\n}\n",
    );
}

#[test]
fn rules_without_names_get_the_key_itself() {
    becomes(
        "{ \"a.age\".publicKeys = [ \"@ADMIN@\" ]; }\n",
        "{ \"a.age\".publicKeys = [ \"@ADMIN@\" \"@NEW@ root@bach\" ]; }\n",
    );
}

#[test]
fn keys_in_other_files_are_edited_there() {
    let rules = "let\n  keys = import ../keys.nix;\nin\n{\n  \"a.age\".publicKeys = [ keys.admin keys.root_bach ];\n}\n";
    let keys = "{\n  admin = \"@ADMIN@\";\n  root_bach = \"@OLD@ root@bach\";\n}\n";
    let Some(result) = enroll(&[("secrets/secrets.nix", rules), ("keys.nix", keys)], None) else {
        return;
    };
    assert_eq!(
        result.unwrap(),
        [rules.to_owned(), keys.replace("@OLD@", "@NEW@")]
    );

    let rules = "{ \"a.age\".publicKeys = [ \"@ADMIN@\" (builtins.readFile ./bach.pub) ]; }\n";
    let Some(result) = enroll(
        &[("secrets.nix", rules), ("bach.pub", "@OLD@ root@bach\n")],
        Some(OLD),
    ) else {
        return;
    };
    assert_eq!(result.unwrap()[1], "@NEW@ root@bach\n");

    let rules =
        "let\n  keys = import ./keys.nix;\nin\n{\n  \"a.age\".publicKeys = [ keys.admin ];\n}\n";
    let keys = "{\n  admin = \"@ADMIN@\";\n}\n";
    let Some(result) = enroll(&[("secrets.nix", rules), ("keys.nix", keys)], None) else {
        return;
    };
    assert_eq!(
        result.unwrap(),
        [
            rules.replace("[ keys.admin ]", "[ keys.admin keys.bach ]"),
            keys.replace('}', "  bach = \"@NEW@ root@bach\";\n}")
        ]
    );
}

#[test]
fn generated_rules_are_left_alone_with_the_text_to_paste() {
    let rules = "let\n  admin = \"@ADMIN@\";\nin\nbuiltins.listToAttrs [ { name = \"a.age\"; value.publicKeys = [ admin ]; } ]\n";
    let Some(result) = enroll(&[("secrets.nix", rules)], None) else {
        return;
    };
    let shown = crate::error::render(&result.unwrap_err());
    assert!(
        shown.contains("cannot be edited for you") && shown.contains("bach = \"ssh-ed25519 "),
        "{shown}"
    );
}

#[test]
fn several_candidates_are_listed_and_nothing_is_chosen() {
    let rules = "let\n  old_bach = \"@OLD@\";\n  new_bach = \"@BYRD@\";\nin\n{\n  \"a.age\".publicKeys = [ old_bach new_bach ];\n}\n";
    let Some(result) = enroll(&[("secrets.nix", rules)], None) else {
        return;
    };
    assert!(crate::error::render(&result.unwrap_err()).contains("--old-key"));
}

#[test]
fn rules_reach_nothing_outside_their_folder() {
    let Some(result) = enroll(
        &[(
            "secrets.nix",
            "{ \"a.age\".publicKeys = [ (builtins.readFile /etc/hostname) ]; }\n",
        )],
        None,
    ) else {
        return;
    };
    assert!(crate::error::render(&result.unwrap_err()).contains("restricted"));
}
