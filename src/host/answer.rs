//! What an attempt at one address came to, and when the next one is worth it.

use std::time::Duration;

use super::ssh::Login;

/// Why an attempt did not let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nobody listens there, or there is no way there yet: what ssh said. It costs an SSH server nothing.
    Closed(String),
    /// Nothing came back in time.
    Silent(String),
    /// Somebody answered and broke off: a server that starts, or one that has had enough of us.
    BrokenOff(String),
    /// The host there has another key.
    Stranger,
}

impl Answer {
    /// How a login went that was neither accepted nor denied.
    pub fn of(login: Login) -> Self {
        match login {
            Login::Unreachable(why) => Self::read(why),
            _ => Self::Stranger,
        }
    }

    /// Tells by the last line of ssh or ssh-keyscan.
    pub fn read(why: String) -> Self {
        let says = |texts: &[&str]| texts.iter().any(|text| why.contains(text));
        if says(&[
            "Connection refused",
            "No route to host",
            "Network is unreachable",
            "Host is down",
            "Invalid argument", // a link-local address whose interface is gone
        ]) {
            Self::Closed(why)
        } else if says(&["connect to host"]) && says(&["timed out"]) {
            // later than that, sshd has the connection and counts it
            Self::Silent(why)
        } else {
            Self::BrokenOff(why)
        }
    }

    /// How long to wait before the next attempt at the same address. sshd shuts out who connects often without logging
    /// in (`PerSourcePenalties`).
    pub fn pause(&self) -> Duration {
        match self {
            Self::Closed(_) => Duration::from_millis(200),
            // the attempt itself took its time
            Self::Silent(_) => Duration::ZERO,
            Self::BrokenOff(_) => Duration::from_secs(2),
            // an address can change hands
            Self::Stranger => Duration::from_secs(10),
        }
    }

    /// The end of the sentence "ADDRESS ..".
    pub fn words(&self) -> &'static str {
        match self {
            Self::Closed(_) => "takes no connections yet",
            Self::Silent(_) => "does not respond",
            Self::BrokenOff(why) if why.contains("timed out") => {
                "takes connections and says nothing"
            }
            Self::BrokenOff(_) => "breaks connections off",
            Self::Stranger => "shows another key",
        }
    }

    /// What ssh said.
    pub fn said(&self) -> Option<&str> {
        match self {
            Self::Closed(why) | Self::Silent(why) | Self::BrokenOff(why) => Some(why),
            Self::Stranger => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_and_tried_again_in_their_own_time() {
        let pause = |why: &str| Answer::read(why.to_owned()).pause().as_millis();
        for (why, millis) in [
            (
                "ssh: connect to host 10.0.0.2 port 22: Connection refused",
                200,
            ),
            (
                "ssh: connect to host 10.0.0.2 port 22: No route to host",
                200,
            ),
            (
                "ssh: connect to host fe80::1%3 port 22: Invalid argument",
                200,
            ),
            (
                "ssh: connect to host 10.0.0.2 port 22: Connection timed out",
                0,
            ),
            ("Connection timed out during banner exchange", 2000),
            ("`ssh root@bach.local true` did not end within 15 s.", 2000),
            (
                "kex_exchange_identification: Connection closed by remote host",
                2000,
            ),
            ("Connection reset by 10.0.0.2 port 22", 2000),
            ("Not allowed at this time", 2000),
            ("no answer", 2000),
        ] {
            assert_eq!(pause(why), millis, "{why}");
        }
        assert_eq!(Answer::of(Login::Stranger).pause().as_secs(), 10);
    }
}
