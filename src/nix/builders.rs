//! Other machines that build, as the setting `builders` lists them (nix.conf(5), "Remote Builds").

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// As the setting names it.
    pub uri: String,
    /// What it builds for; empty means the system of the machine that asks.
    systems: Vec<String>,
    /// The private key to log in with.
    key: Option<String>,
    /// Its host key in base64, where the line itself pins it.
    host_key: Option<String>,
}

/// Every line of the setting; lines end with `;` or a newline.
pub fn parse(setting: &str) -> Vec<Builder> {
    let lines = setting.split([';', '\n']);
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default());
    lines.filter_map(Builder::parse).collect()
}

impl Builder {
    /// `URI SYSTEM,SYSTEM KEY JOBS SPEED FEATURES FEATURES HOST-KEY`, of which only the first must be there; `-` is
    /// nothing.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let uri = words.next()?.to_owned();
        let rest: Vec<&str> = words.collect();
        let word = |index: usize| rest.get(index).copied().filter(|word| *word != "-");
        let systems = word(0).map(|list| list.split(',').map(str::to_owned).collect());
        Some(Self {
            uri,
            systems: systems.unwrap_or_default(),
            key: word(1).map(str::to_owned),
            host_key: word(6).map(str::to_owned),
        })
    }

    /// It builds for `system` when asked by a machine of the system `own`.
    pub fn builds(&self, system: &str, own: &str) -> bool {
        if self.systems.is_empty() {
            return system == own;
        }
        self.systems.iter().any(|s| s == system)
    }

    /// The address of its store, with all that the line says of how to get there.
    pub fn store(&self) -> String {
        let mut store = self.uri.clone();
        if !store.contains("://") && !["auto", "daemon", "local"].contains(&store.as_str()) {
            store.insert_str(0, "ssh://");
        }
        for (name, value) in [
            ("ssh-key", &self.key),
            ("base64-ssh-public-host-key", &self.host_key),
        ] {
            if let Some(value) = value {
                let separator = if store.contains('?') { '&' } else { '?' };
                store.push_str(&format!("{separator}{name}={value}"));
            }
        }
        store
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builders_store_has_its_keys() {
        let stores: Vec<_> = parse(
            "me@b aarch64-linux /root/key 4 1 kvm - c3No\nssh-ng://c?compress=true - /k # x\n\nlocal -",
        )
        .iter()
        .map(Builder::store)
        .collect();
        assert_eq!(
            stores,
            [
                "ssh://me@b?ssh-key=/root/key&base64-ssh-public-host-key=c3No",
                "ssh-ng://c?compress=true&ssh-key=/k",
                "local",
            ]
        );
    }
}
