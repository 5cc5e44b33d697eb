//! A host's SSH identity: made here in memory for a seeded card, or told by its public half alone.

use anyhow::{Context, Result, anyhow};
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::error::Failure;

/// An ed25519 key pair that exists only in memory; wiped when dropped.
pub struct HostKey {
    private: PrivateKey,
}

impl HostKey {
    /// Makes a new key, commented `root@NAME` as sshd's own would be.
    pub fn generate(name: &str) -> Result<Self> {
        Self::generate_for(&format!("root@{name}"))
    }

    /// Makes a new key with this comment.
    pub fn generate_for(comment: &str) -> Result<Self> {
        let mut private = PrivateKey::random(&mut OsRng, Algorithm::Ed25519)
            .context("while making a host key")?;
        private.set_comment(comment);
        Ok(Self { private })
    }

    /// Reads a key in OpenSSH's own format, unencrypted, and comments it `root@NAME`.
    pub fn from_private(text: &[u8], name: &str) -> Result<Self> {
        let mut private =
            PrivateKey::from_openssh(text).map_err(|_| anyhow!("It is no OpenSSH private key."))?;
        anyhow::ensure!(!private.is_encrypted(), "It is under a passphrase.");
        let kind = private.algorithm();
        anyhow::ensure!(
            kind == Algorithm::Ed25519,
            "It is a key of type {kind}, not ed25519."
        );
        private.set_comment(format!("root@{name}"));
        Ok(Self { private })
    }

    /// The public half as one line, `ssh-ed25519 AAAA.. root@NAME`.
    pub fn public(&self) -> Result<String> {
        self.private
            .public_key()
            .to_openssh()
            .context("while writing a public key")
    }

    /// The private half in OpenSSH's own format (PROTOCOL.key), unencrypted.
    pub fn private(&self) -> Result<Zeroizing<String>> {
        self.private
            .to_openssh(LineEnding::LF)
            .context("while writing a host key")
    }
}

/// Checks that `key` is one public key that age can encrypt to, and returns it on one line.
pub fn parse_public(key: &str) -> Result<String> {
    let refuse = |why: String| {
        Failure::usage(why)
            .hint("Give it as in ssh_host_ed25519_key.pub: ssh-ed25519 AAAA.. comment")
    };
    let parsed: PublicKey = key.trim().parse().map_err(|e| {
        let shown = crate::ui::visible(key.trim());
        refuse(format!("{shown} is no SSH public key.")).source(anyhow::Error::new(e))
    })?;
    match parsed.algorithm() {
        Algorithm::Ed25519 | Algorithm::Rsa { .. } => {}
        other => {
            let why = format!("age cannot encrypt to a key of type {other}; only ed25519 and RSA.");
            return Err(refuse(why).into());
        }
    }
    parsed.to_openssh().context("while writing a public key")
}

/// The fingerprint `ssh-keygen -l` prints: `SHA256:` and unpadded base64.
pub fn fingerprint(key: &str) -> Result<String> {
    let parsed: PublicKey = key.trim().parse().context("while reading a public key")?;
    Ok(parsed.fingerprint(HashAlg::Sha256).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_one_that_openssh_reads() {
        let key = HostKey::generate("bach").unwrap();
        let again = PrivateKey::from_openssh(key.private().unwrap().as_bytes()).unwrap();
        assert_eq!(
            again.public_key().to_openssh().unwrap(),
            key.public().unwrap()
        );
        assert!(key.public().unwrap().ends_with(" root@bach"));
        let kept = HostKey::from_private(key.private().unwrap().as_bytes(), "bach").unwrap();
        assert_eq!(kept.public().unwrap(), key.public().unwrap());
        assert_ne!(
            key.public().unwrap(),
            HostKey::generate("bach").unwrap().public().unwrap()
        );
    }

    #[test]
    fn only_a_plain_ed25519_key_is_a_host_key() {
        assert!(HostKey::from_private(b"hello", "bach").is_err());
        let rsa_or_other = PrivateKey::random(
            &mut OsRng,
            Algorithm::Ecdsa {
                curve: ssh_key::EcdsaCurve::NistP256,
            },
        );
        if let Ok(other) = rsa_or_other {
            let text = other.to_openssh(LineEnding::LF).unwrap();
            let why = HostKey::from_private(text.as_bytes(), "bach")
                .err()
                .unwrap();
            assert!(why.to_string().contains("not ed25519"), "{why}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        // ssh-keygen -lf tests/keys/admin.pub
        let key = include_str!("../../tests/keys/admin.pub");
        assert_eq!(fingerprint(key).unwrap(), FINGERPRINT);
    }
    const FINGERPRINT: &str = "SHA256:AXZAjdyYakH0Nd2oL14icP8XaCUlYl7gfPvlhCNqhKo";

    #[test]
    fn keys_age_cannot_use_are_refused() {
        let ecdsa = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";
        assert!(
            parse_public(ecdsa)
                .unwrap_err()
                .to_string()
                .contains("age cannot encrypt")
        );
        assert!(parse_public("hello").is_err());
        assert!(parse_public(include_str!("../../tests/keys/bach.pub")).is_ok());
    }
}
