//! Which card is written, and the yes to losing what is on it.

use std::path::Path;

use anyhow::Result;

use crate::card::disk::{self, Disk};
use crate::cli::Bootstrap;
use crate::error::Failure;
use crate::privileged::{CardChoice, CardInfo, Rights};
use crate::ui::{Ui, visible};

/// The card that was named, or chosen from a list, and then the kernel's number of it.
pub async fn choose(args: &Bootstrap, ui: &Ui) -> Result<(CardChoice, Option<u64>)> {
    let choice = |path: &Path, confirmed| CardChoice {
        path: path.to_owned(),
        allow_fixed_disk: args.allow_fixed_disk,
        confirmed,
    };
    if let Some(path) = &args.card {
        return Ok((choice(path, ui.assumes_yes()), None));
    }
    let disks = disk::list().await?;
    let (cards, others): (Vec<_>, Vec<_>) = disks
        .iter()
        .partition(|disk| disk.refusal(args.allow_fixed_disk).is_none());
    let shown = |disk: &Disk| format!("{}  {}", disk.path.display(), disk.describe());
    if cards.is_empty() || !ui.is_interactive() {
        let mut failure = Failure::usage("Which card? Name it with --card.");
        for card in cards {
            let path = card.path.display();
            failure = failure.hint(format!("--card {path}: {}.", card.describe()));
        }
        for disk in others {
            let why = disk.refusal(args.allow_fixed_disk).unwrap_or_default();
            failure = failure.hint(format!("Not {}: {why}", disk.path.display()));
        }
        return Err(failure
            .hint("--card FILE.img writes the card into a file.")
            .into());
    }
    let options: Vec<_> = cards.iter().map(|card| shown(card)).collect();
    let chosen = ui.choose("Which card? Number:", &options, "--card")?;
    match chosen.as_slice() {
        // --yes is a yes to a card that was named with it
        [one] => Ok((choice(&cards[*one].path, false), cards[*one].sequence)),
        _ => Err(Failure::usage("One card, please; nothing was written.").into()),
    }
}

/// Data on the card is lost: the user types the device's name, or gave it together with `--yes`.
pub async fn confirm(card: &CardInfo, rights: &mut Rights, ui: &Ui) -> Result<()> {
    let path = visible(&card.path.display().to_string());
    ui.say(format!("  card: {path}, {}", card.describe));
    if card.confirmed {
        return Ok(());
    }
    let question = format!("Everything on {path} will be lost. Type its name to go on:");
    rights.confirm_card(ui.ask(&question, "--yes")?).await
}
