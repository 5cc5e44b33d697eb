//! Wifi as bootstrap puts it on a card: the profiles of this machine, the network it is in, and the country.

use std::path::Path;

use super::finding::{Finding, Subject, count, line};
use crate::privileged::elevator;
use crate::process;
use crate::wifi::{Knowledge, country, files, in_use};

const WIFI: Subject = Subject::of("wifi");

pub async fn check() -> Vec<Finding> {
    let (network, country) = tokio::join!(in_use::ssid(), country::of_this_machine());
    let has_radio = has_radio(Path::new("/sys/class/net"));
    let mut found = Vec::new();
    let known = if files::system_is_closed() {
        found.push(closed());
        None
    } else {
        match files::of_system() {
            Ok(files) => {
                let known = Knowledge::of(&files);
                found.push(profiles(&known));
                Some(known)
            }
            Err(error) => {
                found.push(WIFI.error("profiles", &error));
                None
            }
        }
    };
    if let Some(ssid) = &network {
        found.push(in_network(ssid, known.as_ref()));
    } else if has_radio && process::find("iw").is_none() && !process::tool("iw").is_absolute() {
        found.push(
            WIFI.warning("network", "`iw` is not here, so bootstrap cannot tell which network this machine is in, and takes none by itself.")
                .remedy(line("environment.systemPackages = [ pkgs.iw ];", "Install iw."))
                .remedy("Or name the network each time: --wifi SSID."),
        );
    } else {
        found.push(WIFI.ok(
            "network",
            "this machine is in none; bootstrap takes the one named with --wifi, or --no-wifi",
        ));
    }
    found.push(match country {
        Some(country) => WIFI.ok("country", country.to_string()),
        None if network.is_some() => WIFI
            .warning("country", "No country is set, so hosts get none either: channels 12 and 13 and much of 5 GHz stay unused there.")
            .remedy(line(
                "networking.wireless.iwd.settings.General.Country = \"DE\";",
                "Put `Country=DE` below `[General]` in /etc/iwd/main.conf, with your own country.",
            ))
            .remedy("Or name it each time: --wifi-country XX."),
        None => WIFI.ok("country", "none is set here; --wifi-country XX names it for a card"),
    });
    found
}

fn closed() -> Finding {
    match elevator() {
        Some(elevator) => WIFI.ok(
            "profiles",
            format!("for root only, as it should be; bootstrap reads them through {elevator}"),
        ),
        None => WIFI
            .failure(
                "profiles",
                "They are for root only, and none of sudo, run0 and doas is here.",
            )
            .remedy("Run bootstrap as root, or name readable files with --wifi-from."),
    }
}

fn profiles(known: &Knowledge) -> Finding {
    let usable = known.usable().len();
    let reasons: Vec<_> = known
        .networks
        .iter()
        .filter_map(|network| network.profile.as_ref().err())
        .map(|reason| format!("\n{reason}"))
        .collect();
    if !reasons.is_empty() && usable == 0 {
        let message = format!(
            "None of the profiles here can be put on a card:{}",
            reasons.concat()
        );
        return WIFI
            .warning("profiles", message)
            .remedy("`spinet wifi list` shows them; --wifi-from names other files.");
    }
    match usable {
        0 => WIFI.ok("profiles", "none on this machine; --wifi-from names files from elsewhere, --no-wifi is for wired hosts"),
        some => WIFI.ok("profiles", format!("{} can be put on a card", count(some, "network"))),
    }
}

fn in_network(ssid: &[u8], known: Option<&Knowledge>) -> Finding {
    let name = String::from_utf8_lossy(ssid).into_owned();
    let Some(known) = known else {
        return WIFI.ok("network", format!("this machine is in {name}"));
    };
    if known.usable().iter().any(|profile| profile.ssid == ssid) {
        return WIFI.ok(
            "network",
            format!("this machine is in {name}, whose profile can be put on a card"),
        );
    }
    WIFI.warning(
        "network",
        format!("This machine is in {name}, and has no profile of it that can be put on a card."),
    )
    .remedy("Name another with --wifi SSID, or a file with --wifi-from.")
}

/// A link of this machine's is a wifi radio.
fn has_radio(links: &Path) -> bool {
    let links = std::fs::read_dir(links).into_iter().flatten().flatten();
    links
        .map(|link| link.path())
        .any(|link| link.join("wireless").exists() || link.join("phy80211").exists())
}
