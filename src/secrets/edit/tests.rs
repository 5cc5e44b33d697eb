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
    for (path, content) in edit.contents() {
        std::fs::write(path, content).unwrap();
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
        "let\n  users = { admin = \"@ADMIN@\"; };\n  systems = {\n    byrd = \"@BYRD@ root@byrd\";\n    bach = \"@NEW@ root@bach\";\n  };\nin\n{\n  \"a.age\" = { publicKeys = with users; [ admin systems.bach ]; armor = true; };\n}\n",
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

/// Several files before, and those that must have changed after.
fn files_become(before: &[(&str, &str)], after: &[(&str, &str)]) {
    let Some(result) = enroll(before, None) else {
        return;
    };
    let result = result.unwrap();
    let names = before.iter().map(|(name, _)| *name);
    let names: Vec<&str> = names.chain(["keys/bach.pub"]).collect();
    for (name, text) in names.iter().zip(&result) {
        let expected = after.iter().chain(before).find(|(n, _)| n == name);
        assert_eq!((*name, text.as_str()), (*name, expected.unwrap().1));
    }
    assert!(
        after
            .iter()
            .all(|(name, _)| names[..result.len()].contains(name)),
        "{after:?} was not made"
    );
}

#[test]
fn inherited_keys_become_a_binding_and_whole_rules_are_added_to() {
    becomes(
        "let\n  publicKeys = [ admin ];\n  armor = true;\n  admin = \"@ADMIN@\";\nin\n{\n  \"a.age\" = { inherit publicKeys armor; };\n  \"b.age\" = { inherit publicKeys; };\n}\n",
        "let\n  publicKeys = [ admin ];\n  armor = true;\n  admin = \"@ADMIN@\";\n  bach = \"@NEW@ root@bach\";\nin\n{\n  \"a.age\" = { inherit armor; publicKeys = publicKeys ++ [ bach ]; };\n  \"b.age\" = { inherit publicKeys; };\n}\n",
    );
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  common = { publicKeys = [ admin ]; };\n  rule = keys: { publicKeys = keys; };\nin\n{\n  \"a.age\" = common;\n  \"b.age\" = rule [ admin ];\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  bach = \"@NEW@ root@bach\";\n  common = { publicKeys = [ admin ]; };\n  rule = keys: { publicKeys = keys; };\nin\n{\n  \"a.age\" = common // { publicKeys = common.publicKeys ++ [ bach ]; };\n  \"b.age\" = rule [ admin ];\n}\n",
    );
}

#[test]
fn lists_at_the_end_are_added_to_and_calls_are_followed_by_one() {
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  users = [ admin ];\nin\n{\n  \"a.age\".publicKeys = users ++ [ \"@BYRD@\" ];\n  \"b.age\".publicKeys = users;\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  bach = \"@NEW@ root@bach\";\n  users = [ admin ];\nin\n{\n  \"a.age\".publicKeys = users ++ [ \"@BYRD@\" bach ];\n  \"b.age\".publicKeys = users;\n}\n",
    );
    becomes(
        "let\n  admin = \"@ADMIN@\";\nin\n{\n  \"a.age\".publicKeys = builtins.concatLists [ [ admin ] [ \"@BYRD@\" ] ];\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  bach = \"@NEW@ root@bach\";\nin\n{\n  \"a.age\".publicKeys = builtins.concatLists [ [ admin ] [ \"@BYRD@\" ] ] ++ [ bach ];\n}\n",
    );
}

#[test]
fn a_set_taken_as_a_whole_lists_the_new_key_by_itself() {
    becomes(
        "let\n  hosts = {\n    byrd = \"@BYRD@ root@byrd\";\n  };\n  all = builtins.attrValues hosts;\nin\n{\n  \"a.age\".publicKeys = [ \"@ADMIN@\" ] ++ all;\n}\n",
        "let\n  hosts = {\n    byrd = \"@BYRD@ root@byrd\";\n    bach = \"@NEW@ root@bach\";\n  };\n  all = builtins.attrValues hosts;\nin\n{\n  \"a.age\".publicKeys = [ \"@ADMIN@\" ] ++ all;\n}\n",
    );
    // not where other rules take the set too
    becomes(
        "let\n  hosts = {\n    byrd = \"@BYRD@ root@byrd\";\n  };\n  all = builtins.attrValues hosts;\nin\n{\n  \"a.age\".publicKeys = [ \"@ADMIN@\" ] ++ all;\n  \"b.age\".publicKeys = all;\n}\n",
        "let\n  bach = \"@NEW@ root@bach\";\n  hosts = {\n    byrd = \"@BYRD@ root@byrd\";\n  };\n  all = builtins.attrValues hosts;\nin\n{\n  \"a.age\".publicKeys = [ \"@ADMIN@\" ] ++ all ++ [ bach ];\n  \"b.age\".publicKeys = all;\n}\n",
    );
}

#[test]
fn a_group_behind_other_names_is_used_and_the_rest_is_listed_by_hand() {
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@ root@byrd\";\n  machines = [ byrd ];\n  everybody = [ admin ] ++ machines;\nin\n{\n  \"a.age\".publicKeys = everybody;\n  \"b.age\".publicKeys = [ admin ];\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@ root@byrd\";\n  bach = \"@NEW@ root@bach\";\n  machines = [ byrd bach ];\n  everybody = [ admin ] ++ machines;\nin\n{\n  \"a.age\".publicKeys = everybody;\n  \"b.age\".publicKeys = [ admin ];\n}\n",
    );
}

#[test]
fn keys_two_imports_away_are_found_bound_and_referred_to() {
    let rules =
        "let\n  keys = import ./keys;\nin\n{\n  \"a.age\".publicKeys = [ keys.users.admin ];\n}\n";
    let hosts = "{\n  byrd = \"@BYRD@ root@byrd\";\n}\n";
    files_become(
        &[
            ("secrets.nix", rules),
            (
                "keys/default.nix",
                "{ users = import ./users.nix; hosts = import ./hosts.nix; }\n",
            ),
            ("keys/users.nix", "{ admin = \"@ADMIN@\"; }\n"),
            ("keys/hosts.nix", hosts),
        ],
        &[
            (
                "secrets.nix",
                &rules.replace("keys.users.admin ", "keys.users.admin keys.hosts.bach "),
            ),
            (
                "keys/hosts.nix",
                &hosts.replace('}', "  bach = \"@NEW@ root@bach\";\n}"),
            ),
        ],
    );
}

#[test]
fn names_taken_from_an_import_are_taken_for_the_new_key_too() {
    let keys = "{\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@ root@byrd\";\n}\n";
    let bound = keys.replace("byrd\";\n", "byrd\";\n  bach = \"@NEW@ root@bach\";\n");
    let rules = "with import ./keys.nix;\n{\n  \"a.age\".publicKeys = [ admin byrd ];\n}\n";
    files_become(
        &[("secrets.nix", rules), ("keys.nix", keys)],
        &[
            ("secrets.nix", &rules.replace("byrd ]", "byrd bach ]")),
            ("keys.nix", &bound),
        ],
    );
    let rules = "let\n  inherit (import ./keys.nix) admin byrd;\nin\n{\n  \"a.age\".publicKeys = [ admin byrd ];\n}\n";
    let after = rules
        .replace("byrd;", "byrd bach;")
        .replace("byrd ]", "byrd bach ]");
    files_become(
        &[("secrets.nix", rules), ("keys.nix", keys)],
        &[("secrets.nix", &after), ("keys.nix", &bound)],
    );
}

#[test]
fn keys_in_json_are_replaced_and_joined() {
    let rules = "let\n  keys = builtins.fromJSON (builtins.readFile ./keys.json);\nin\n{\n  \"a.age\".publicKeys = [ keys.admin keys.hosts.byrd ];\n}\n";
    let json = "{\n  \"admin\": \"@ADMIN@ me\",\n  \"hosts\": {\n    \"byrd\": \"@BYRD@ root@byrd\"\n  }\n}\n";
    files_become(
        &[("secrets.nix", rules), ("keys.json", json)],
        &[
            (
                "secrets.nix",
                &rules.replace("byrd ]", "byrd keys.hosts.bach ]"),
            ),
            (
                "keys.json",
                &json.replace(
                    "root@byrd\"",
                    "root@byrd\",\n    \"bach\": \"@NEW@ root@bach\"",
                ),
            ),
        ],
    );
    let rules = rules.replace("byrd", "bach");
    let json = json
        .replace("@BYRD@ root@byrd", "@OLD@ root@bach")
        .replace("byrd", "bach");
    files_become(
        &[("secrets.nix", &rules), ("keys.json", &json)],
        &[("keys.json", &json.replace("@OLD@", "@NEW@"))],
    );
}

#[test]
fn a_machine_gets_a_file_of_its_own_where_the_others_have_one() {
    let bound = "let\n  byrd = builtins.readFile ./keys/byrd.pub;\nin\n{\n  \"a.age\".publicKeys = [ \"@ADMIN@\" byrd ];\n}\n";
    let after = bound
        .replace(
            "byrd.pub;\n",
            "byrd.pub;\n  bach = builtins.readFile ./keys/bach.pub;\n",
        )
        .replace("byrd ]", "byrd bach ]");
    let other = ("keys/byrd.pub", "@BYRD@ root@byrd\n");
    let new = ("keys/bach.pub", "@NEW@ root@bach\n");
    files_become(
        &[("secrets.nix", bound), other],
        &[("secrets.nix", &after), new],
    );
    let listed =
        "{ \"a.age\".publicKeys = [ \"@ADMIN@\" (builtins.readFile ./keys/byrd.pub) ]; }\n";
    let after = listed.replace(") ]", ") (builtins.readFile ./keys/bach.pub) ]");
    files_become(
        &[("secrets.nix", listed), other],
        &[("secrets.nix", &after), new],
    );
    // a whole folder of keys
    let folder = "{ \"a.age\".publicKeys = map (f: builtins.readFile (./keys + \"/${f}\")) (builtins.attrNames (builtins.readDir ./keys)); }\n";
    let Some(result) = enroll(&[("secrets.nix", folder), other], None) else {
        return;
    };
    let result = result.unwrap();
    assert!(
        result[0].ends_with("++ [ \"@NEW@ root@bach\" ]; }\n") || result.get(2).is_some(),
        "{result:?}"
    );
}

#[test]
fn a_key_is_replaced_in_any_kind_of_string_and_not_in_comments() {
    let other = format!("# was {OLD} until May\n");
    let text = other.clone()
        + "let\n  bach = ''\n    @OLD@ root@bach\n  '';\nin\n{ \"a.age\".publicKeys = [ bach ]; }\n";
    let after = "# was @OLD@ until May\n".to_owned()
        + "let\n  bach = ''\n    @NEW@ root@bach\n  '';\nin\n{ \"a.age\".publicKeys = [ bach ]; }\n";
    becomes(&text, &after);
    let (kind, blob) = OLD.split_once(' ').unwrap();
    let split = format!(
        "let\n  bach = \"{kind} \" + \"{blob}\";\nin\n{{ \"a.age\".publicKeys = [ bach ]; }}\n"
    );
    let Some(result) = enroll(&[("secrets.nix", &split)], Some(OLD)) else {
        return;
    };
    let new = NEW.split(' ').nth(1).unwrap();
    assert_eq!(result.unwrap(), [split.replace(blob, new)]);
}

#[test]
fn generated_rules_are_left_alone_with_the_text_to_paste_and_the_place() {
    for rules in [
        "let\n  admin = \"@ADMIN@\";\nin\nbuiltins.listToAttrs [ { name = \"a.age\"; value.publicKeys = [ admin ]; } ]\n",
        "let\n  mk = n: { name = \"${n}.age\"; value.publicKeys = [ \"@ADMIN@\" ]; };\nin\nbuiltins.listToAttrs (map mk [ \"a\" ])\n",
    ] {
        let Some(result) = enroll(&[("secrets.nix", rules)], None) else {
            return;
        };
        let shown = crate::error::render(&result.unwrap_err());
        assert!(
            shown.contains("cannot be edited for you")
                && shown.contains("bach = \"ssh-ed25519 ")
                && shown.contains("secrets.nix:4:"),
            "{shown}"
        );
    }
}

#[test]
fn several_candidates_are_listed_and_nothing_is_chosen() {
    let rules = "let\n  old_bach = \"@OLD@\";\n  new_bach = \"@BYRD@\";\nin\n{\n  \"a.age\".publicKeys = [ old_bach new_bach ];\n}\n";
    let Some(result) = enroll(&[("secrets.nix", rules)], None) else {
        return;
    };
    assert!(crate::error::render(&result.unwrap_err()).contains("Several keys"));
}

#[test]
fn a_rule_is_added_at_the_end_with_the_names_of_its_recipients() {
    if crate::process::find("nix-instantiate").is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets.nix");
    let before = format!(
        "let\n  admin = \"{ADMIN}\";\n  systems.byrd = \"{BYRD}\";\nin\n{{\n  \"a.age\".publicKeys = [ admin systems.byrd ];\n}}\n"
    );
    std::fs::write(&file, &before).unwrap();
    let rules = block_on(Rules::load(&file, dir.path())).unwrap();
    let recipients: Vec<Recipient> = [ADMIN, BYRD]
        .iter()
        .flat_map(|k| Recipient::parse_all(k))
        .collect();
    let edit = block_on(add_rule(&rules, "new/b.age", &recipients)).unwrap();
    write(&edit);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        before.replace(
            "];\n}",
            "];\n  \"new/b.age\".publicKeys = [ admin systems.byrd ];\n}"
        )
    );
    assert_eq!(
        names(&rules).unwrap().values().collect::<Vec<_>>(),
        ["admin", "systems.byrd"]
    );
}

#[test]
fn text_that_is_no_nix_is_shown_at_its_place() {
    let Some(result) = enroll(
        &[(
            "secrets.nix",
            "{ \"a.age\".publicKeys = [ ];\n  oops = ;\n}\n",
        )],
        None,
    ) else {
        return;
    };
    let shown = crate::error::render(&result.unwrap_err());
    assert!(shown.contains("oops = ;"), "{shown}");
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
