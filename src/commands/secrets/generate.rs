//! `spinet secrets generate`: a random secret that nobody has to see.

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

use super::edit::{name_of, tell, with_rule};
use crate::cli::{Generate, Global, Kind};
use crate::error::Failure;
use crate::history::History;
use crate::host::key::HostKey;
use crate::secrets::replace;
use crate::secrets::store::Secret;
use crate::ui::{Ui, out};

/// No letters that look alike on paper, no characters that need quoting anywhere.
const ALPHABET: &[u8; 56] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz2345679";

pub async fn run(args: &Generate, global: &Global, ui: &Ui) -> Result<()> {
    let rules = super::load(&args.rules, global).await?;
    replace::recover(&rules.root, |text| ui.say(text))?;
    let name = name_of(&rules, &args.file, global)?;
    let path = rules.path_of(&name);
    if path.exists() {
        return Err(Failure::new(format!("{} exists already; nothing was written.", path.display()))
            .hint("Generated secrets take no other secret's place: remove the file first, or change it with `spinet secrets edit`.")
            .into());
    }
    let (content, public) = make(args.kind, args.length, &name)?;
    let (rules, new_rule) = with_rule(rules, &name, &args.recipients, ui).await?;
    let secret = Secret {
        rules: &rules,
        name: &name,
        rule: rules.rule(&name)?,
        was: None,
        with: new_rule.as_ref(),
    };
    let running = History::of_rules(&rules, ui).await.begin("generate", None);
    let written = secret.write(&content, ui);
    written.inspect_err(|error| running.failed(error))?;
    tell(&secret, &running, ui);
    crate::enroll::tell_tracked(&rules, &[path], ui).await?;
    let shown = if args.show {
        std::str::from_utf8(&content).ok()
    } else {
        None
    };
    if global.json {
        let value = serde_json::json!({ "file": name, "publicKey": public, "content": shown });
        out!("{value}");
    } else {
        for line in [shown, public.as_deref()].into_iter().flatten() {
            out!("{}", line.trim_end());
        }
    }
    Ok(())
}

/// The content, and the public half where there is one.
fn make(
    kind: Kind,
    length: Option<usize>,
    name: &str,
) -> Result<(Zeroizing<Vec<u8>>, Option<String>)> {
    let length = length.unwrap_or(32);
    if !(1..=65536).contains(&length) {
        return Err(
            Failure::usage(format!("A secret of length {length} is not made."))
                .hint("--length takes 1 to 65536.")
                .into(),
        );
    }
    let text = match kind {
        Kind::Password => password(length)?,
        Kind::Hex => Zeroizing::new(crate::ui::hex(&random(length)?).into_bytes()),
        Kind::Base64 => Zeroizing::new(BASE64_STANDARD.encode(&*random(length)?).into_bytes()),
        Kind::SshEd25519 => {
            let stem = name.strip_suffix(".age").unwrap_or(name);
            let key = HostKey::generate_for(stem)?;
            let private = Zeroizing::new(key.private()?.as_bytes().to_vec());
            return Ok((private, Some(key.public()?)));
        }
    };
    Ok((text, None))
}

/// Every character of the alphabet is as likely: bytes beyond its last multiple are thrown away.
fn password(length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let size = ALPHABET.len();
    let limit = 256 - 256 % size;
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    while text.len() < length {
        let bytes = random(length)?;
        let fair = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < limit);
        let wanted = length - text.len();
        text.extend(fair.take(wanted).map(|b| ALPHABET[b % size]));
    }
    Ok(text)
}

/// From the kernel.
fn random(length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    let mut filled = 0;
    while filled < length {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())
            .context("while asking the kernel for random bytes")?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_form_and_no_two_are_alike() {
        let text = |kind, length| {
            let (content, _) = make(kind, length, "a.age").unwrap();
            String::from_utf8(content.to_vec()).unwrap()
        };
        let password = text(Kind::Password, Some(500));
        assert!(password.len() == 500 && password.bytes().all(|b| ALPHABET.contains(&b)));
        assert!(ALPHABET.iter().all(|c| password.as_bytes().contains(c)));
        assert_eq!(text(Kind::Hex, None).len(), 64);
        assert_eq!(
            BASE64_STANDARD
                .decode(text(Kind::Base64, None))
                .unwrap()
                .len(),
            32
        );
        assert_ne!(text(Kind::Hex, None), text(Kind::Hex, None));
        let (private, public) = make(Kind::SshEd25519, None, "deploy.age").unwrap();
        assert!(private.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        let public = public.unwrap();
        assert!(
            public.starts_with("ssh-ed25519 ") && public.ends_with(" deploy"),
            "{public}"
        );
        assert!(make(Kind::Hex, Some(0), "a.age").is_err());
    }
}
