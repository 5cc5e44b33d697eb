//! What age plugins say and ask: a token to touch, a PIN.

use std::io::Write;

use age::secrecy::SecretString;

use super::visible;

/// A plugin's way to the user; without a terminal it can tell, but not ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct PluginPrompts {
    pub(super) interactive: bool,
}

impl PluginPrompts {
    fn ask(self, question: &str) -> Option<String> {
        if !self.interactive {
            return None;
        }
        eprint!("{} ", visible(question));
        std::io::stderr().flush().ok()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }
}

impl age::Callbacks for PluginPrompts {
    fn display_message(&self, message: &str) {
        eprintln!("{}", visible(message));
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let no = no.unwrap_or("no");
        let answer = self.ask(&format!("{message} Type {yes} or {no}:"))?;
        Some(answer == yes)
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.ask(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        if !self.interactive {
            return None;
        }
        let question = format!("{} ", visible(description));
        rpassword::prompt_password(question)
            .ok()
            .map(SecretString::from)
    }
}
