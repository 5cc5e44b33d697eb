//! What the user's ssh configuration says about a host, as `ssh -G` prints it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::fleet::Host;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where ssh looks for known keys of the user's.
    pub files: Vec<PathBuf>,
    /// The name ssh connects to.
    host_name: Option<String>,
    /// The name ssh keeps the key under instead.
    alias: Option<String>,
}

impl Settings {
    pub fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("userknownhostsfile", list)) => {
                    settings.files = files(list, Path::exists);
                }
                Some(("hostname", name)) => settings.host_name = Some(name.to_owned()),
                Some(("hostkeyalias", name)) if name != "none" => {
                    settings.alias = Some(name.to_owned());
                }
                _ => {}
            }
        }
        settings
    }

    /// Every name under which ssh may know the host, in small letters as ssh writes them.
    pub fn names(&self, host: &Host, address: Option<IpAddr>) -> Vec<String> {
        // an address of the link is another machine's on the next link
        let address = address.filter(|ip| match ip {
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
            IpAddr::V4(v4) => !v4.is_link_local(),
        });
        let bare = [
            self.host_name.clone(),
            Some(host.address.clone()),
            Some(host.name.clone()),
            address.map(|ip| ip.to_string()),
        ];
        let with_port = |name: String| match host.port {
            22 => name,
            port => format!("[{name}]:{port}"),
        };
        // an alias stands for itself, whatever the port
        let all = self.alias.clone().into_iter();
        let mut names: Vec<String> = Vec::new();
        for name in all.chain(bare.into_iter().flatten().map(with_port)) {
            let name = name.to_lowercase();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// ssh prints names with spaces as they are: the longest run of words that is a file is one name.
fn files(list: &str, exists: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let words: Vec<&str> = list.split(' ').filter(|word| *word != "none").collect();
    let mut files = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let joined = |end: usize| PathBuf::from(words[at..end].join(" "));
        let end = (at + 1..=words.len())
            .rev()
            .find(|end| exists(&joined(*end)));
        let end = end.unwrap_or(at + 1);
        files.push(joined(end));
        at = end;
    }
    files
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_with_spaces_in_its_name_is_one_file() {
        let there = |path: &Path| path == Path::new("/home/my hosts");
        let found = files(
            "/home/.ssh/known_hosts /home/my hosts /home/other none",
            there,
        );
        let expected = ["/home/.ssh/known_hosts", "/home/my hosts", "/home/other"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    use super::*;

    const SHOWN: &str = "user root\nhostname bach.local\nport 22\nhashknownhosts yes\nglobalknownhostsfile /etc/ssh/ssh_known_hosts\nuserknownhostsfile /home/alice/.ssh/known_hosts /home/alice/.ssh/known_hosts2\n";

    fn host(port: u16) -> Host {
        Host {
            address: "Bach.local".into(),
            port,
            ..Host::named("bach")
        }
    }

    #[test]
    fn files_and_names_are_those_of_the_configuration() {
        let settings = Settings::parse(SHOWN);
        assert_eq!(
            settings.files,
            [
                "/home/alice/.ssh/known_hosts",
                "/home/alice/.ssh/known_hosts2"
            ]
            .map(PathBuf::from)
        );
        let ip = "10.0.0.2".parse().ok();
        assert_eq!(
            settings.names(&host(22), ip),
            ["bach.local", "bach", "10.0.0.2"]
        );
        assert_eq!(
            settings.names(&host(2222), "fe80::1".parse().ok()),
            ["[bach.local]:2222", "[bach]:2222"]
        );
    }

    #[test]
    fn an_alias_counts_and_no_file_is_none() {
        let settings =
            Settings::parse("hostname 10.0.0.2\nhostkeyalias pi\nuserknownhostsfile none\n");
        assert!(settings.files.is_empty());
        assert_eq!(
            settings.names(&host(2222), None),
            ["pi", "[10.0.0.2]:2222", "[bach.local]:2222", "[bach]:2222"]
        );
    }
}
