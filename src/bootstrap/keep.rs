//! `--host-key keep`: the host's key is also a secret of the admins, `HOST-host-key.age` beside the rules, and is used
//! again on the next card: then nothing has to be rekeyed, and the pin stays.

use std::path::PathBuf;

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::Story;
use crate::enroll::tell_tracked;
use crate::error::{Failure, Hint};
use crate::fleet::Needs;
use crate::host::key::HostKey as Key;
use crate::host::known_hosts::KnownHosts;
use crate::secrets::edit::{self, Edit};
use crate::secrets::store::Secret;
use crate::secrets::{Header, Identities, Recipient, Rules, published, rekey};

/// The file that keeps a host's key.
pub struct Place {
    /// As the rules name it, or will.
    name: String,
    path: PathBuf,
}

/// A key that is not kept yet: written just before the card is, with its rule if that is new.
pub struct Keeping {
    place: Place,
    rules: Rules,
    edit: Option<Edit>,
}

impl Place {
    pub fn of(host: &str, rules: &Rules) -> Self {
        let name = format!("{host}-host-key.age");
        let path = rules.path_of(&name);
        Self {
            name: rules.name_of(&path).unwrap_or(name),
            path,
        }
    }

    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The kept key; none when there is no file yet.
    pub fn read(
        &self,
        host: &str,
        identities: &mut Identities,
        story: &Story<'_>,
    ) -> Result<Option<Key>> {
        if !self.exists() {
            return Ok(None);
        }
        let text = rekey::open_one(&self.path, identities, story.ui)?;
        let key = Key::from_private(&text, host).hint(
            format!("{} does not hold the key of {host}.", self.name),
            format!("Restore it from git, or remove the file: `spinet bootstrap {host} --host-key keep` makes a new key then."),
        )?;
        Ok(Some(key))
    }

    /// The secret is for admins: no configuration may put it on a host.
    pub fn is_no_hosts(&self, needs: &Needs, story: &Story<'_>) -> Result<()> {
        let named = |file: &PathBuf| story.flake.dir.join(file) == self.path;
        if needs.secrets.iter().any(|secret| named(&secret.file)) {
            let host = &story.host.name;
            return Err(Failure::new(format!(
                "The configuration of {host} uses {}, which keeps its host key for the admins.",
                self.name
            ))
            .hint(format!(
                "Remove it from age.secrets in hosts/{host}: the key comes to the host on its card."
            ))
            .into());
        }
        Ok(())
    }

    /// A rule that is there already: it may list no host, and nobody whose key is published.
    pub fn check_rule(&self, rules: &Rules, hosts: &[Recipient]) -> Result<()> {
        for reader in &rules.rule(&self.name)?.recipients {
            published::refuse(reader).hint(
                format!("A published example key may read {}.", self.name),
                format!("Put your own key in its place in {}.", rules.file.display()),
            )?;
            if hosts.iter().any(|host| host.key() == reader.key()) {
                return Err(Failure::new(format!(
                    "The host key {} may read {}, which is for admins only.",
                    reader.name(),
                    self.name
                ))
                .hint(format!(
                    "Take it out of the rule in {}, and run `spinet secrets rekey {}`.",
                    rules.file.display(),
                    self.name
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// Everything about keeping a new key that can be settled before the card is touched. `names`: the secrets the host
/// reads; `hosts`: keys that are no admin's.
pub async fn prepare(
    place: Place,
    rules: &Rules,
    names: &[String],
    hosts: &[Recipient],
    identities: &Identities,
    story: &Story<'_>,
) -> Result<Keeping> {
    if rules.entries().contains_key(&place.name) {
        place.check_rule(rules, hosts)?;
        return Ok(Keeping {
            place,
            rules: rules.clone(),
            edit: None,
        });
    }
    let admins = admins(rules, names, hosts);
    if admins.is_empty() {
        return Err(Failure::new(format!(
            "Who could read {}? No key can read all the secrets of {} but its own.",
            place.name, story.host.name
        ))
        .hint(format!(
            "Add a rule to {}: \"{}\".publicKeys = [ .. ];",
            rules.file.display(),
            place.name
        ))
        .into());
    }
    let mut new = rekey::Readers::new();
    for admin in &admins {
        published::refuse(admin)?;
        let line = format!("{} ({})", admin.name(), admin.fingerprint());
        story
            .ui
            .say(format!("  {} will be readable by {line}", place.name));
        if !reads_already(admin, rules, names)? {
            new.insert(admin.fingerprint(), (admin, vec![&place.name]));
        }
    }
    let accepted = &story.args.access.accept_recipient;
    rekey::confirm_readers(new, accepted, identities, story.ui)?;
    let edit = edit::add_rule(rules, &place.name, &admins).await?;
    Ok(Keeping {
        place,
        rules: rules.with(edit.after.clone()),
        edit: Some(edit),
    })
}

impl Keeping {
    /// Writes the key and its rule, both or none.
    pub async fn write(&self, key: &Key, story: &Story<'_>) -> Result<()> {
        let secret = Secret {
            rules: &self.rules,
            name: &self.place.name,
            rule: self.rules.rule(&self.place.name)?,
            was: None,
            with: self.edit.as_ref(),
        };
        let private = Zeroizing::new(key.private()?.as_bytes().to_vec());
        let path = secret.write(&private, story.ui)?;
        story
            .ui
            .say(format!("  kept the host key in {}", self.place.name));
        tell_tracked(&self.rules, &[path], story.ui)
            .await
            .context("while keeping the host key")
    }
}

/// Those that every one of these secrets is for (of all secrets, if there are none), and that are no host.
fn admins(rules: &Rules, names: &[String], hosts: &[Recipient]) -> Vec<Recipient> {
    let mut all = rules
        .entries()
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    let Some((_, first)) = all.next() else {
        return Vec::new();
    };
    let rest: Vec<_> = all.map(|(_, rule)| rule).collect();
    let among = |list: &[Recipient], key: &Recipient| list.iter().any(|r| r.key() == key.key());
    let admin = |key: &&Recipient| {
        !among(hosts, key) && rest.iter().all(|rule| among(&rule.recipients, key))
    };
    first.recipients.iter().filter(admin).cloned().collect()
}

/// By the files, not the rules alone: whoever can read all secrets of the host as they lie there gets nothing new.
fn reads_already(admin: &Recipient, rules: &Rules, names: &[String]) -> Result<bool> {
    let mut files = 0;
    for name in names {
        let Some(header) = Header::find(&rules.path_of(name))? else {
            continue;
        };
        if header.may_lack(admin) {
            return Ok(false);
        }
        files += 1;
    }
    Ok(files > 0)
}

/// The keys that belong to hosts: all that are pinned, and those given.
pub fn host_keys<'a>(
    story: &Story<'_>,
    more: impl Iterator<Item = &'a str>,
) -> Result<Vec<Recipient>> {
    let pinned = KnownHosts::read(&story.flake.dir.join(&story.fleet.known_hosts))?;
    let pinned = pinned.keys().flat_map(Recipient::parse_all);
    Ok(pinned.chain(more.flat_map(Recipient::parse_all)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(dir: &std::path::Path) -> Rules {
        let file = dir.join("secrets.nix");
        std::fs::write(&file, "").unwrap();
        let key = |name: &str| format!("ssh-ed25519 {name} {name}");
        let rule = |who: &[&str]| serde_json::json!({ "publicKeys": who.iter().map(|w| key(w)).collect::<Vec<_>>() });
        let json = serde_json::json!({
            "a.age": rule(&["me", "you", "bach"]),
            "b.age": rule(&["bach", "you", "me", "byrd"]),
            "c.age": rule(&["you"]),
        });
        Rules::evaluated(&file, &json.to_string()).unwrap()
    }

    #[test]
    fn admins_read_all_that_the_host_reads_and_are_no_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let rules = rules(dir.path());
        let hosts = Recipient::parse_all("ssh-ed25519 bach\nssh-ed25519 byrd");
        let names =
            |list: &[&str]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
        let shown = |secrets: &[&str], hosts: &[Recipient]| -> Vec<String> {
            admins(&rules, &names(secrets), hosts)
                .iter()
                .map(Recipient::name)
                .collect()
        };
        assert_eq!(shown(&["a.age", "b.age"], &hosts), ["me", "you"]);
        assert_eq!(shown(&["b.age"], &hosts), ["you", "me"]);
        // a host that reads nothing: those that read everything
        assert_eq!(shown(&[], &hosts), ["you"]);
        assert!(shown(&["c.age"], &Recipient::parse_all("ssh-ed25519 you")).is_empty());
    }

    #[test]
    fn a_rule_that_lists_a_host_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let rules = rules(dir.path());
        let place = Place {
            name: "b.age".into(),
            path: rules.path_of("b.age"),
        };
        let byrd = Recipient::parse_all("ssh-ed25519 byrd another comment");
        let shown = crate::error::render(&place.check_rule(&rules, &byrd).unwrap_err());
        assert!(
            shown.contains("The host key byrd may read b.age"),
            "{shown}"
        );
        assert!(place.check_rule(&rules, &[]).is_ok());
    }
}
