//! `spinet host`: the identity of one host.

mod enroll;

use std::time::Duration;

use anyhow::Result;

use crate::cli::{Global, Host};
use crate::fleet::{Flake, Fleet};
use crate::host::key::fingerprint;
use crate::host::known_hosts::KnownHosts;
use crate::host::ssh::scoped;
use crate::host::user_known_hosts;
use crate::host::wait::Search;
use crate::nix::Nix;
use crate::ui::{Ui, out};

pub async fn run(command: &Host, global: &Global, ui: &Ui) -> Result<()> {
    if let Host::Enroll(args) = command {
        return enroll::run(args, global, ui).await;
    }
    let flake = Flake::find(global.flake.as_deref()).await?;
    let fleet = Fleet::load(&Nix::new(&flake.dir).shown(ui)).await?;
    match command {
        Host::Enroll(_) => Ok(()),
        Host::Wait {
            name,
            address,
            timeout,
        } => {
            let host = fleet.host(name)?;
            let known = KnownHosts::read(&flake.dir.join(&fleet.known_hosts))?;
            let key = known.need(name)?;
            let address = address.as_deref();
            let search = Search {
                host,
                address,
                timeout: Duration::from_secs(*timeout),
            };
            let target = search.pinned(&key, ui).await?;
            let shown = target.address.map(scoped).unwrap_or_default();
            ui.say(format!(
                "{name} answers at {shown} and shows its pinned key."
            ));
            user_known_hosts::offer(&target, &key, ui).await;
            Ok(())
        }
        Host::Scan {
            name,
            address,
            timeout,
        } => {
            let host = fleet.host(name)?;
            let address = address.as_deref();
            let search = Search {
                host,
                address,
                timeout: Duration::from_secs(*timeout),
            };
            let (address, key) = search.shown_key(ui).await?;
            let shown = fingerprint(&key)?;
            if global.json {
                let address = scoped(address);
                out!(
                    "{}",
                    serde_json::json!({ "address": address, "key": key, "fingerprint": shown })
                );
            } else {
                out!("{key}");
                ui.say(format!(
                    "{} shows {shown}. Nothing was trusted.",
                    scoped(address)
                ));
            }
            Ok(())
        }
    }
}
