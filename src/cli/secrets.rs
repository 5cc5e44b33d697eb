//! The arguments of what has to do with secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;

use crate::complete;

#[derive(Debug, Args)]
pub struct Identity {
    /// A private key to decrypt secrets with [default: ~/.ssh/id_ed25519, ~/.ssh/id_rsa]
    #[arg(short, long = "identity", value_name = "FILE")]
    pub identities: Vec<PathBuf>,
}

/// What a rekey needs: keys, and a yes to recipients that are new.
#[derive(Debug, Args)]
pub struct Access {
    #[command(flatten)]
    pub identity: Identity,
    /// A recipient that may be added without asking, by fingerprint (an age key by itself)
    #[arg(long, value_name = "SHA256:..")]
    pub accept_recipient: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RulesFile {
    /// The agenix rules [default: $RULES, else secrets/secrets.nix or secrets.nix upwards]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Secrets {
    /// Which files do not match the rules, and which hosts cannot read what they use; without any private key
    ///
    /// Exit code 3 on drift.
    Check(Check),
    /// Encrypt the files that do not match the rules again: all or none
    Rekey(Rekey),
    /// Change a secret in your editor, or make a new one
    Edit(Edit),
    /// Print the content of a secret
    Show {
        /// As the rules name it, or its path
        #[arg(add = ArgValueCandidates::new(complete::secrets))]
        file: String,
        #[command(flatten)]
        identity: Identity,
        #[command(flatten)]
        rules: RulesFile,
    },
    /// Who can read what: secrets against recipients
    List {
        #[command(flatten)]
        rules: RulesFile,
    },
    /// Make a new random secret
    Generate(Generate),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Look at files and rules only: the flake's hosts are not evaluated
    #[arg(long)]
    pub no_hosts: bool,
    /// Rules and hosts as nix evaluated them, in JSON: for builds, where nix is not at hand (lib.fleet makes such a check)
    #[arg(long, value_name = "FILE")]
    pub evaluated: Option<PathBuf>,
    /// With --evaluated: the pinned keys, relative to the flake
    #[arg(long, value_name = "FILE", requires = "evaluated")]
    pub known_hosts: Option<PathBuf>,
    #[command(flatten)]
    pub rules: RulesFile,
}

#[derive(Debug, Args)]
pub struct Rekey {
    /// Only these files, as the rules name them, or their paths [default: all]
    #[arg(add = ArgValueCandidates::new(complete::secrets))]
    pub files: Vec<String>,
    /// Also those that are right already
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub rules: RulesFile,
    /// Print what would be encrypted again and for whom, and do nothing
    #[arg(long)]
    pub plan: bool,
}

#[derive(Debug, Args)]
pub struct Edit {
    /// As the rules name it, or its path
    #[arg(add = ArgValueCandidates::new(complete::secrets))]
    pub file: String,
    /// The editor, as a shell command [default: $VISUAL, $EDITOR]
    #[arg(long, value_name = "COMMAND", conflicts_with = "from")]
    pub editor: Option<String>,
    /// Take the content from a file, or from standard input (-), instead of an editor
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// Who can read a secret that has no rule yet, by name or key: the rule is added
    #[arg(long = "recipient", value_name = "NAME")]
    pub recipients: Vec<String>,
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub rules: RulesFile,
}

#[derive(Debug, Args)]
pub struct Generate {
    /// As the rules name it, or its path; it must not exist yet
    pub file: String,
    /// What to make
    #[arg(long, value_enum)]
    pub kind: Kind,
    /// Characters of a password, random bytes of the others [default: 32]
    #[arg(long, value_name = "N")]
    pub length: Option<usize>,
    /// Print the content
    #[arg(long)]
    pub show: bool,
    /// Who can read a secret that has no rule yet, by name or key: the rule is added
    #[arg(long = "recipient", value_name = "NAME")]
    pub recipients: Vec<String>,
    #[command(flatten)]
    pub rules: RulesFile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Letters and digits that cannot be mistaken for each other
    Password,
    /// Random bytes, in hexadecimal
    Hex,
    /// Random bytes, in base64
    Base64,
    /// An OpenSSH private key; its public half is printed
    SshEd25519,
}
