//! A second key beside a host's first, and how it goes again.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::random::{Folder, Sets, bare, key, shapes};
use super::*;

/// The host's first key; `OLD` is a published example.
const FIRST: &str = BYRD;

/// What the rules become with a second key for `bach`; `@NEW@` is the new key, comment included.
fn becomes(before: &str, after: &str) {
    if let Some(result) = admit(before, Some(FIRST), &[]) {
        assert_eq!(result.unwrap(), after);
    }
}

fn admit(text: &str, old_key: Option<&str>, added: &[String]) -> Option<Result<String>> {
    if crate::process::find("nix-instantiate").is_none() {
        eprintln!("skipped: no nix");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets.nix");
    std::fs::write(
        &file,
        text.replace("@ADMIN@", ADMIN).replace("@OLD@", FIRST),
    )
    .unwrap();
    let wanted = Enrollment {
        name: "bach",
        key: NEW,
        old_key,
        added,
        secrets: &["a.age".to_owned()],
        choose: &nobody,
    };
    let edit = block_on(async {
        let rules = Rules::load(&file, dir.path()).await?;
        super::super::beside(&rules, &wanted).await
    });
    Some(edit.map(|edit| {
        write(&edit);
        let text = std::fs::read_to_string(&file).unwrap();
        text.replace(NEW, "@NEW@")
            .replace(ADMIN, "@ADMIN@")
            .replace(FIRST, "@OLD@")
    }))
}

#[test]
fn it_is_named_beside_the_first_and_listed_wherever_that_is() {
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  bach = \"@OLD@ root@bach\"; # in the attic\n  systems = [ bach ];\nin\n{\n  \"a.age\".publicKeys = [\n    admin # me\n    bach # the Pi\n  ];\n  \"b.age\".publicKeys = [ admin ] ++ systems;\n  \"c.age\".publicKeys = [ admin ];\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  bach = \"@OLD@ root@bach\"; # in the attic\n  bach-new = \"@NEW@\";\n  systems = [ bach bach-new ];\nin\n{\n  \"a.age\".publicKeys = [\n    admin # me\n    bach # the Pi\n    bach-new\n  ];\n  \"b.age\".publicKeys = [ admin ] ++ systems;\n  \"c.age\".publicKeys = [ admin ];\n}\n",
    );
}

#[test]
fn rules_that_are_computed_from_sets_and_functions_take_it_as_well() {
    becomes(
        "let\n  systems.bach = \"@OLD@\";\n  rule = keys: { publicKeys = keys; };\nin\n{\n  \"a.age\".publicKeys = builtins.attrValues systems;\n  \"b.age\" = rule [ \"@ADMIN@\" systems.bach ];\n}\n",
        "let\n  systems.bach = \"@OLD@\";\n  systems.bach-new = \"@NEW@\";\n  rule = keys: { publicKeys = keys; };\nin\n{\n  \"a.age\".publicKeys = builtins.attrValues systems;\n  \"b.age\" = rule [ \"@ADMIN@\" systems.bach systems.bach-new ];\n}\n",
    );
    becomes(
        "builtins.listToAttrs (map (name: { inherit name; value.publicKeys = [ \"@ADMIN@\" \"@OLD@\" ]; }) [ \"a.age\" \"b.age\" ])\n",
        "builtins.listToAttrs (map (name: { inherit name; value.publicKeys = [ \"@ADMIN@\" \"@OLD@\" \"@NEW@\" ]; }) [ \"a.age\" \"b.age\" ])\n",
    );
}

#[test]
fn a_host_without_a_key_is_enrolled_and_a_card_given_up_makes_room() {
    let text = "let\n  admin = \"@ADMIN@\";\nin\n{\n  \"a.age\".publicKeys = [ admin ];\n}\n";
    let enrolled = "let\n  admin = \"@ADMIN@\";\n  bach = \"@NEW@\";\nin\n{\n  \"a.age\".publicKeys = [ admin bach ];\n}\n";
    if let Some(result) = admit(text, None, &[]) {
        assert_eq!(result.unwrap(), enrolled);
    }
    // the key in the rules is that of a card that never showed itself
    let given_up = enrolled.replace("@NEW@", "@OLD@ root@bach");
    if let Some(result) = admit(&given_up, None, &[FIRST.to_owned()]) {
        assert_eq!(result.unwrap(), enrolled);
    }
}

#[test]
fn an_example_key_makes_room_at_once() {
    let text = format!("{{ \"a.age\".publicKeys = [ \"@ADMIN@\" \"{OLD} root@bach\" ]; }}\n");
    if let Some(result) = admit(&text, Some(OLD), &[]) {
        let after = "{ \"a.age\".publicKeys = [ \"@ADMIN@\" \"@NEW@\" ]; }\n";
        assert_eq!(result.unwrap(), after);
    }
}

#[test]
fn rules_with_no_place_for_it_say_so_and_what_can_be_done() {
    let text = "let\n  hosts.bach = \"@OLD@ root@bach\";\n  rule = name: { name = \"${name}.age\"; value.publicKeys = [ \"@ADMIN@\" ] ++ (if name == \"a\" then [ ] ++ builtins.concatMap (k: builtins.genList (_: k) 1) (builtins.filter (k: k == hosts.bach) (builtins.attrValues hosts)) else [ ]); };\nin\nbuiltins.listToAttrs (map rule [ \"a\" \"b\" ])\n";
    let Some(result) = admit(text, Some(FIRST), &[]) else {
        return;
    };
    let shown = crate::error::render(&result.unwrap_err());
    for part in [
        "a second key of bach cannot be added beside hosts.bach; nothing was written.",
        "--image bootstrap needs no second key",
        "hosts.bach ];",
        "secrets.nix:5",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

proptest! {
    // each case evaluates some twenty times
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").map_or(8, |n| n.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_key_beside_another_goes_without_a_trace(shape in shapes()) {
        if crate::process::find("nix-instantiate").is_none() {
            return Ok(());
        }
        let folder = Folder::of(&shape);
        let (before, old) = (folder.sets(), bare(&key("byrd")));
        let (first, second) = (line("first"), line("second"));
        // rules that do not list byrd are for the new key alone
        let secrets = shape.secrets();
        let both = |new: &str| -> Sets {
            let add = |(name, keys): (&String, &BTreeSet<String>)| {
                let mut keys = keys.clone();
                if keys.contains(&old) || secrets.contains(name) {
                    keys.insert(bare(new));
                }
                (name.clone(), keys)
            };
            before.iter().map(add).collect()
        };
        let listed = |name: &String| before[name].contains(&old);
        let is_listed = before.values().any(|keys| keys.contains(&old));
        prop_assert!(folder.admit(&first, Some(&old), &[], &secrets));
        prop_assert_eq!(folder.sets(), both(&first));
        // an unfinished run, and another one with another key
        folder.admit(&second, Some(&old), &[&first, &second], &secrets);
        prop_assert_eq!(folder.sets(), both(&second));
        prop_assert!(!folder.admit(&second, Some(&old), &[&second], &secrets), "a second time");
        // the card has shown its key
        folder.enroll_after(&[&second], "byrd", &second, Some(&old), &secrets);
        let new = Folder::of(&shape);
        new.enroll("byrd", &second, is_listed.then_some(old.as_str()), &secrets);
        prop_assert_eq!(folder.sets(), new.sets());
        if is_listed && secrets.iter().all(listed) {
            let relative = |folder: &Folder| -> Vec<String> {
                folder.texts().into_iter().map(|(_, text)| text).collect()
            };
            prop_assert_eq!(relative(&folder), relative(&new), "as if it had been replaced at once");
        }
    }
}

fn line(name: &str) -> String {
    key(name).replace(&format!("{name}@desk"), "root@byrd")
}
