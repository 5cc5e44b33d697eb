//! The story of a check-up: what is known to make spinet fail is looked for before it does.
//!
//! 1. This machine: nix, the programs spinet runs, cards, wifi, room.
//! 2. The flake, and with it the builds of its systems, its secrets, the hosts' keys, and the network they are found in.
//! 3. Each host that was named, under its pinned key.
//!
//! Checks run side by side and change nothing; one that fails or hangs is a finding, never the end of the others.

mod board;
mod builds;
mod card;
mod finding;
mod flake;
mod ground;
mod host;
mod keys;
mod network;
mod nix;
mod report;
mod room;
mod secrets;
mod system;
mod wifi;

use std::time::Duration;

use anyhow::Result;

use crate::cli::{Doctor, Global};
use crate::fleet::check_address;
use crate::nix::Nix;
use crate::ui::Ui;
use finding::{Finding, Subject};
use ground::Ground;

/// How long a group of checks may take; those that build have longer.
const LIMIT: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(150);

/// `spinet doctor`.
pub async fn run(args: &Doctor, global: &Global, ui: &Ui) -> Result<()> {
    ui.progress("", "Looking at this machine", 0, 0);
    let (machine, (ground, mut findings, hosts)) =
        tokio::try_join!(async { Ok(of_machine().await) }, of_flake(args, global, ui))?;
    ui.progress_done();
    let [nix, rest] = machine;
    // builds belong beside nix, the flake before what is in it
    findings.splice(0..0, nix);
    findings.extend(rest);
    findings.extend(hosts);
    report::print(&findings, !ground.chosen.is_empty(), global.json)
}

/// What nix says, and everything else.
async fn of_machine() -> [Vec<Finding>; 2] {
    let nix = Nix::new(std::path::Path::new("/"));
    let (nix, wifi, cards) = tokio::join!(
        Subject::of("nix").within(LIMIT, nix::check(&nix)),
        Subject::of("wifi").within(LIMIT, wifi::check()),
        Subject::of("cards").within(LIMIT, card::check()),
    );
    let rest = [card::programs(), cards, wifi, room::check()];
    [nix, rest.concat()]
}

async fn of_flake(
    args: &Doctor,
    global: &Global,
    ui: &Ui,
) -> Result<(Ground, Vec<Finding>, Vec<Finding>)> {
    let ground = Ground::survey(global, &args.hosts).await?;
    check_address(args.address.as_deref(), &ground.chosen)?;
    let password = ui.sudo_password(args.ask_sudo_password && !ground.chosen.is_empty())?;
    let identities = &args.identity.identities;
    let (builds, flake, secrets, keys, network, hosts) = tokio::join!(
        Subject::of("builds").within(LONG, builds::check(&ground.nix, &ground.hosts)),
        Subject::of("flake").within(LIMIT, flake::check(&ground)),
        Subject::of("secrets").within(LIMIT, async { secrets::check(&ground, identities, ui) }),
        Subject::of("keys").within(LIMIT, keys::check(&ground)),
        Subject::of("network").within(LIMIT, network::check(&ground)),
        host::check(&ground, args, password.as_ref(), ui),
    );
    let findings = [builds, flake, secrets, keys, network].concat();
    Ok((ground, findings, hosts))
}
