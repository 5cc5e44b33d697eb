//! Everything in one file.

use super::*;

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
        "let\r\n  admin = \"@ADMIN@\";\r\n  root_byrd = \"@BYRD@ root@byrd\";\r\n  root_bach = \"@NEW@ root@bach\";\r\nin\r\n{\r\n  \"a.age\".publicKeys = [\r\n    admin # me\r\n    root_bach\r\n  ];\r\n  \"b.age\".publicKeys = [ admin root_byrd ];\r\n}\r\n",
    );
}

#[test]
fn comments_stay_with_what_they_are_about() {
    becomes(
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@ root@byrd\"; # in the attic\nin\n{\n  \"a.age\".publicKeys = [ admin ]; # wifi\n  # the end\n}\n",
        "let\n  admin = \"@ADMIN@\";\n  byrd = \"@BYRD@ root@byrd\"; # in the attic\n  bach = \"@NEW@ root@bach\";\nin\n{\n  \"a.age\".publicKeys = [ admin bach ]; # wifi\n  # the end\n}\n",
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
