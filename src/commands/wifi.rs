//! `spinet wifi`: the networks this machine knows. Their secrets are shown to those who ask for them only.

use age::secrecy::ExposeSecret;
use anyhow::Result;
use serde_json::json;

use crate::cli::{Global, Wifi, WifiFrom};
use crate::error::Failure;
use crate::privileged::{Rights, needs_root};
use crate::ui::{Ui, out, print_bytes};
use crate::wifi::{Choice, Knowledge, Profile, Security, files, in_use};

pub async fn run(command: &Wifi, global: &Global, ui: &Ui) -> Result<()> {
    match command {
        Wifi::List { from } => list(from, global, ui).await,
        Wifi::Show {
            ssid,
            reveal,
            iwd,
            from,
        } => {
            let knowledge = knowledge(from, None).await?;
            let profile =
                choose(&knowledge, ssid.as_deref(), "`spinet wifi show SSID`", ui).await?;
            if *iwd {
                print_bytes(&profile.to_iwd());
            } else {
                show(profile, *reveal, global);
            }
            Ok(())
        }
    }
}

/// Reads the profiles the user named, or this machine's own; for those `rights` are used if there are any already.
pub async fn knowledge(from: &WifiFrom, rights: Option<&mut Rights>) -> Result<Knowledge> {
    let files = match (&from.wifi_from, rights) {
        (Some(place), _) => files::of(place)?,
        (None, Some(rights)) => rights.wifi_profiles().await?,
        (None, None) => {
            let mut rights = Rights::start(None, needs_root(None, true))?;
            rights.wifi_profiles().await?
        }
    };
    Ok(Knowledge::of(&files))
}

/// The network asked for or in use; where nothing says which, the user does. `flag` is what says it without a terminal.
pub async fn choose<'a>(
    knowledge: &'a Knowledge,
    wanted: Option<&str>,
    flag: &str,
    ui: &Ui,
) -> Result<&'a Profile> {
    let used = in_use::ssid().await;
    let several = match knowledge.choose(wanted, used.as_deref())? {
        Choice::This(profile) => return Ok(profile),
        Choice::OneOf(several) => several,
    };
    let names: Vec<_> = several.iter().map(|profile| profile.shown()).collect();
    if !ui.is_interactive() {
        return Err(
            Failure::usage("Which network? This machine is in none of those it knows.")
                .hint(format!("Name one with {flag}: {}.", names.join(", ")))
                .into(),
        );
    }
    match ui
        .choose("Which network? Number:", &names, flag)?
        .as_slice()
    {
        [one] => Ok(several[*one]),
        _ => Err(Failure::usage("One network, please; nothing was written.").into()),
    }
}

async fn list(from: &WifiFrom, global: &Global, ui: &Ui) -> Result<()> {
    let knowledge = knowledge(from, None).await?;
    if knowledge.networks.is_empty() && !global.json {
        ui.say("No wifi network is known here; --wifi-from names another place to look.");
    }
    let used = in_use::ssid().await;
    let mut rows = Vec::new();
    for known in &knowledge.networks {
        let (kind, now, why) = match &known.profile {
            Ok(profile) => (
                Some(profile.kind()),
                used.as_ref() == Some(&profile.ssid),
                None,
            ),
            Err(why) => (None, false, Some(why.to_string())),
        };
        let source = known.source.name();
        if global.json {
            rows.push(json!({ "ssid": known.shown, "security": kind, "source": source, "inUse": now, "unusable": why }));
            continue;
        }
        let state = kind.map_or_else(
            || format!("unusable: {}", why.unwrap_or_default()),
            str::to_owned,
        );
        let now = if now { "\tin use" } else { "" };
        out!("{}\t{state}\t{source}{now}", known.shown);
    }
    if global.json {
        out!("{}", serde_json::Value::from(rows));
    }
    Ok(())
}

fn show(profile: &Profile, reveal: bool, global: &Global) {
    let (mut passphrase, mut psk) = (None, None);
    if let Security::Personal {
        passphrase: known, ..
    } = &profile.security
    {
        let hidden = |secret: &str| {
            if reveal {
                secret.to_owned()
            } else {
                "(hidden; --reveal shows it)".into()
            }
        };
        passphrase = known.as_ref().map(|secret| hidden(secret.expose_secret()));
        psk = profile.psk().map(|key| hidden(&key));
    }
    if global.json {
        let secrets = reveal.then(|| json!({ "passphrase": passphrase, "psk": psk }));
        out!(
            "{}",
            json!({ "ssid": profile.shown(), "security": profile.kind(), "hidden": profile.hidden,
                "file": profile.file_name(), "secrets": secrets })
        );
        return;
    }
    let mut rows = vec![
        ("network", Some(profile.shown())),
        ("security", Some(profile.kind().to_owned())),
        ("hidden", profile.hidden.then(|| "yes".into())),
        (
            "file",
            Some(format!("/var/lib/iwd/{}", profile.file_name())),
        ),
    ];
    rows.extend([("passphrase", passphrase), ("psk", psk)]);
    for (title, value) in rows {
        if let Some(value) = value {
            out!("{title:<11} {value}");
        }
    }
}
