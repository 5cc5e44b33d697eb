//! `spinet card`: the cards attached to this machine, and the writer alone.

use std::path::Path;

use anyhow::Result;

use crate::card::disk;
use crate::cli::{Card, Global};
use crate::error::Exit;
use crate::privileged::{CardChoice, Rights, needs_root};
use crate::ui::{Ui, bytes};

pub async fn run(command: &Card, global: &Global, ui: &Ui) -> Result<()> {
    match command {
        Card::List => list(global).await,
        Card::Write {
            image,
            card,
            allow_fixed_disk,
        } => write(image, card, *allow_fixed_disk, ui).await,
    }
}

async fn list(global: &Global) -> Result<()> {
    let disks = disk::list().await?;
    if global.json {
        let rows: Vec<_> = disks.iter().map(disk::Disk::json).collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(());
    }
    for disk in disks {
        let state = disk
            .refusal(false)
            .map_or("a card".into(), |why| format!("refused: {why}"));
        println!("{}\t{}\t{state}", disk.path.display(), disk.describe());
    }
    Ok(())
}

async fn write(image: &Path, card: &Path, allow_fixed_disk: bool, ui: &Ui) -> Result<()> {
    let choice = CardChoice {
        path: card.to_owned(),
        allow_fixed_disk,
        confirmed: ui.assumes_yes(),
    };
    let mut rights = Rights::start(Some(&choice), needs_root(Some(card), None))?;
    let info = rights.open_card(None).await?;
    crate::bootstrap::confirm(&info, &mut rights, ui).await?;
    ui.if_stopped(
        format!(
            "The card {} does not boot now; write it again.",
            card.display()
        ),
        Exit::Failed,
    );
    let written = rights
        .write(image, Vec::new(), |phase, done, total| {
            ui.progress(&phase.to_string(), done, total);
        })
        .await;
    ui.progress_done();
    let written = written?;
    ui.say(format!(
        "{} written and verified in {:.1} s.",
        bytes(written.bytes),
        written.seconds
    ));
    Ok(())
}
