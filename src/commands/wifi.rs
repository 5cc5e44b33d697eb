//! `spinet wifi`: the networks this machine knows, never their secrets.

use anyhow::Result;

use crate::cli::{Global, Wifi};
use crate::privileged::{Rights, needs_root};
use crate::wifi::{Profile, Security};

pub async fn run(command: &Wifi, global: &Global) -> Result<()> {
    let Wifi::List { wifi_dir } = command;
    let mut rights = Rights::start(None, needs_root(None, Some(wifi_dir)))?;
    let mut rows = Vec::new();
    for (name, content) in rights.wifi_profiles(wifi_dir).await? {
        match Profile::from_iwd(&name, &content) {
            Ok(Some(profile)) => rows.push((profile.shown(), kind(&profile).to_owned())),
            Ok(None) => {}
            Err(why) => rows.push((crate::ui::visible(&name), format!("unusable: {why}"))),
        }
    }
    if global.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(ssid, kind)| serde_json::json!({ "ssid": ssid, "security": kind }))
            .collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        for (ssid, kind) in rows {
            println!("{ssid}\t{kind}");
        }
    }
    Ok(())
}

fn kind(profile: &Profile) -> &'static str {
    match profile.security {
        Security::Open => "open",
        Security::Personal { .. } => "personal",
    }
}
