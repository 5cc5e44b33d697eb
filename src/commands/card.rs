//! `spinet card`: the cards attached to this machine, and the writer alone.

use std::path::Path;

use anyhow::Result;

use crate::card::disk;
use crate::card::image::Image;
use crate::cli::{Card, Global};
use crate::error::{Exit, Failure};
use crate::privileged::{CardChoice, Rights, needs_root};
use crate::ui::{Ui, bytes, out};

pub async fn run(command: &Card, global: &Global, ui: &Ui) -> Result<()> {
    match command {
        Card::List => list(global).await,
        Card::Write {
            image,
            card,
            allow_fixed_disk,
            plan,
        } => {
            if *plan {
                return self::plan(image, card, *allow_fixed_disk, ui).await;
            }
            write(image, card, *allow_fixed_disk, ui).await
        }
    }
}

async fn list(global: &Global) -> Result<()> {
    let disks = disk::list().await?;
    if global.json {
        let rows: Vec<_> = disks.iter().map(disk::Disk::json).collect();
        out!("{}", serde_json::Value::from(rows));
        return Ok(());
    }
    for disk in disks {
        let state = disk
            .refusal(false)
            .map_or("a card".into(), |why| format!("refused: {why}"));
        out!("{}\t{}\t{state}", disk.path.display(), disk.describe());
    }
    Ok(())
}

async fn plan(image: &Path, card: &Path, allow_fixed_disk: bool, ui: &Ui) -> Result<()> {
    let image = Image::open(image)?;
    let shown = card.display();
    let on_it = match disk::of(card).await? {
        Some(disk) => {
            if let Some(why) = disk.refusal(allow_fixed_disk) {
                return Err(Failure::new(format!("{shown} would not be written: {why}")).into());
            }
            format!(", {}", disk.describe())
        }
        None => String::new(),
    };
    ui.say(format!("Erase {shown}{on_it}."));
    ui.say(format!(
        "Write {}: {}, of which about {} are in use.",
        image.path.display(),
        bytes(image.size),
        bytes(image.expected())
    ));
    ui.say("Read it back and compare, then write its boot block.");
    Ok(())
}

async fn write(image: &Path, card: &Path, allow_fixed_disk: bool, ui: &Ui) -> Result<()> {
    let choice = CardChoice {
        path: card.to_owned(),
        allow_fixed_disk,
        confirmed: ui.assumes_yes(),
    };
    let mut rights = Rights::start(Some(&choice), needs_root(Some(card), false))?;
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
            ui.progress("", &phase.to_string(), done, total);
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
