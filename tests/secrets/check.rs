//! `spinet secrets check` and `list`.

use std::fs;

use serde_json::{Value, json};

use super::folder::Folder;

const AGE_KEY: &str = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

/// One file in every state.
fn folder() -> Option<Folder> {
    let folder = Folder::new()?;
    folder.rules(&format!(
        "let\n  admin = \"@admin@\";\n  byrd = \"@byrd@\";\nin\n{{\n  \
         \"right.age\".publicKeys = [ admin ];\n  \"stale.age\".publicKeys = [ admin byrd ];\n  \
         \"unknown.age\".publicKeys = [ \"{AGE_KEY} paper\" ];\n  \"missing.age\".publicKeys = [ admin ];\n  \
         \"broken.age\".publicKeys = [ admin ];\n}}\n"
    ));
    folder.encrypt("right.age", "", &["admin"]);
    folder.encrypt("stale.age", "", &["admin", "orff"]);
    folder.encrypt("unruled.age", "", &["admin"]);
    fs::write(folder.path("broken.age"), "not age").unwrap();
    let paper: age::x25519::Recipient = AGE_KEY.parse().unwrap();
    fs::write(
        folder.path("unknown.age"),
        age::encrypt(&paper, b"").unwrap(),
    )
    .unwrap();
    // no private key is needed, so none is there
    fs::remove_file(folder.home(".ssh/id_ed25519")).unwrap();
    Some(folder)
}

#[test]
fn every_state_is_told_without_a_private_key() {
    let Some(folder) = folder() else { return };
    let before = folder.files();
    folder.run(&["secrets", "check"]).expect(
        3,
        &[
            "right.age\tright\n",
            "stale.age\tstale: not yet for byrd; still for a key the rules do not know\n",
            "unknown.age\tcannot be told without a private key",
            "missing.age\tthe file is missing\n",
            "broken.age\tno age file\n",
            "unruled.age\tno rule names this file\n",
            "4 of 6 files do not match the rules",
            "spinet secrets rekey",
        ],
    );
    let json = folder.run(&["--json", "secrets", "check"]).expect(3, &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let state = |file: &str| {
        let files = json["files"].as_array().unwrap();
        files.iter().find(|f| f["file"] == file).unwrap()["state"].clone()
    };
    assert_eq!(state("right.age"), "right");
    assert_eq!(state("unknown.age"), "unknown");
    assert_eq!(state("stale.age")["stale"]["missing"], json!(["byrd"]));
    assert_eq!(folder.files(), before);
}

#[test]
fn no_drift_is_exit_code_zero() {
    let Some(folder) = folder() else { return };
    folder.simple_rules(&[("right.age", &["admin"])]);
    for other in ["stale", "unknown", "broken", "unruled"] {
        fs::remove_file(folder.path(&format!("{other}.age"))).unwrap();
    }
    folder
        .run(&["secrets", "check"])
        .expect(0, &["right.age\tright"]);
    fs::remove_file(folder.path("secrets.nix")).unwrap();
    folder
        .run(&["secrets", "check", "--rules", "secrets.nix"])
        .expect(2, &["There are no rules at"]);
}

#[test]
fn the_list_names_who_can_read_what() {
    let Some(folder) = folder() else { return };
    folder
        .run(&["secrets", "list"])
        .expect(0, &["stale.age", "admin", "byrd", "paper"]);
    let json = folder.run(&["--json", "secrets", "list"]).expect(0, &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let stale = json
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["file"] == "stale.age")
        .unwrap();
    let byrd = stale["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["name"] == "byrd")
        .unwrap();
    assert_eq!(byrd["missing"], true);
}

#[test]
fn a_file_that_cannot_be_read_is_no_drift_but_an_error() {
    let Some(folder) = folder() else { return };
    fs::remove_file(folder.path("right.age")).unwrap();
    // root may read everything, but not a folder as a file
    fs::create_dir(folder.path("right.age")).unwrap();
    folder
        .run(&["secrets", "check"])
        .expect(1, &["while reading", "right.age"]);
}
