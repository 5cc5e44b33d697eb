//! Keys in files that the rules import or read.

use super::*;

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
