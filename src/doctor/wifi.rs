//! Wifi as bootstrap puts it on a card: the profiles of this machine, the network it is in, and the country.

use std::path::Path;

use super::finding::{Finding, Subject, line};
use crate::privileged::elevator;
use crate::process;
use crate::ui::counted;
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
            "this machine is in none; bootstrap takes the only one it knows, or the one named with --wifi, or --no-wifi",
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
        some => WIFI.ok("profiles", format!("{} can be put on a card", counted(some, "network"))),
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

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use crate::wifi::{ProfileFile, Source};

    fn known(files: &[(&str, &str)]) -> Knowledge {
        let file = |(name, content): &(&str, &str)| ProfileFile {
            source: Source::Iwd,
            name: (*name).to_owned(),
            content: content.as_bytes().to_vec().into(),
        };
        Knowledge::of(&files.iter().map(file).collect::<Vec<_>>())
    }

    #[test]
    fn profiles_that_cannot_be_used_are_told_with_the_reason() {
        let none = profiles(&known(&[]));
        assert!(none.verdict == Verdict::Ok && none.message.contains("--wifi-from"));
        let broken = profiles(&known(&[("Home.psk", "")]));
        assert!(broken.verdict == Verdict::Warning && broken.message.contains("Home.psk"));
        let one = profiles(&known(&[("Home.psk", ""), ("Shed.open", "")]));
        assert_eq!(
            (one.verdict, one.message.as_str()),
            (Verdict::Ok, "1 network can be put on a card")
        );
    }

    #[test]
    fn the_network_in_use_should_have_a_profile() {
        let known = known(&[("Home.open", "")]);
        assert_eq!(in_network(b"Home", Some(&known)).verdict, Verdict::Ok);
        assert_eq!(in_network(b"Cafe", Some(&known)).verdict, Verdict::Warning);
        // not known without root
        assert_eq!(in_network(b"Cafe", None).verdict, Verdict::Ok);
    }

    #[test]
    fn a_radio_is_told_by_its_folder() {
        let links = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(links.path().join("eth0/queues")).unwrap();
        assert!(!has_radio(links.path()));
        std::fs::create_dir_all(links.path().join("wlp3s0/phy80211")).unwrap();
        assert!(has_radio(links.path()));
    }
}
