//! The network a card joins, and the country its radio keeps to.

use anyhow::Result;

use super::Story;
use crate::commands::wifi::{choose, knowledge};
use crate::error::Failure;
use crate::privileged::Rights;
use crate::wifi::{Country, Profile, Security, country};

/// What goes on the card.
#[derive(Clone)]
pub struct Wifi {
    pub profile: Profile,
    /// None where nothing tells it.
    pub country: Option<Country>,
}

pub async fn of_card(story: &Story<'_>, rights: &mut Rights) -> Result<Wifi> {
    let (args, ui) = (story.args, story.ui);
    let knowledge = knowledge(&args.wifi_from, Some(rights)).await?;
    let profile = choose(&knowledge, args.wifi.as_deref(), "--wifi SSID", ui)
        .await?
        .clone();
    let shown = profile.shown();
    ui.say(format!("  wifi: {shown}"));
    if matches!(profile.security, Security::Enterprise(_)) && !args.allow_enterprise {
        let question = format!(
            "{shown} is an enterprise network: the credentials are a person's, and whoever has the card has them. Type yes to put them on it:"
        );
        if ui.ask(&question, "--allow-enterprise")? != "yes" {
            return Err(Failure::new(format!(
                "The credentials for {shown} stay here; nothing was written."
            ))
            .hint("Choose another network with --wifi SSID.")
            .into());
        }
    }
    if profile.wpa3_only {
        ui.warn(format!("{shown} takes WPA3 only. The radios of a Pi 3B, Zero W and Zero 2 W cannot do that, newer ones only with iwd. Let the access point take WPA2 as well (transition mode), or choose another network with --wifi SSID."));
    }
    let mut country = args.wifi_country.clone().or(knowledge.country);
    if country.is_none() {
        country = country::of_this_machine().await;
    }
    if country.is_none() {
        ui.warn("Nothing here tells the country for the radio, so channels 12 and 13 and much of 5 GHz stay unused. --wifi-country XX sets it.");
    }
    Ok(Wifi { profile, country })
}
