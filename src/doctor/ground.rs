//! What most checks stand on: the flake, its hosts, what they need, and the rules; as far as they could be read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::finding::{Finding, Subject};
use crate::cli::Global;
use crate::error::{Exit, exit_of};
use crate::fleet::{Flake, Fleet, Host, Needs};
use crate::host::known_hosts::KnownHosts;
use crate::nix::Nix;
use crate::process;
use crate::secrets::Rules;

const FLAKE: Subject = Subject::of("flake");

/// Large fleets take a while, and inputs may have to be fetched.
const EVALUATION: Duration = Duration::from_secs(180);

pub struct Ground {
    /// Nix at work on the flake, or on nothing; it leaves the flake as it is.
    pub nix: Nix,
    pub flake: Option<Flake>,
    pub fleet: Option<Fleet>,
    /// Every host of the fleet.
    pub hosts: Vec<Host>,
    /// Those the user asked for.
    pub chosen: Vec<Host>,
    pub needs: Option<BTreeMap<String, Needs>>,
    /// None where there are none.
    pub rules: Result<Option<Rules>>,
    pub pins: KnownHosts,
    /// Why something of it is missing.
    pub trouble: Vec<Finding>,
}

impl Ground {
    /// Reads what can be read. Fails only over what the user typed: a folder, or a host that is not there.
    pub async fn survey(global: &Global, words: &[String]) -> Result<Self> {
        let mut ground = Self {
            nix: Nix::new(Path::new("/")),
            flake: None,
            fleet: None,
            hosts: Vec::new(),
            chosen: Vec::new(),
            needs: None,
            rules: Ok(None),
            pins: KnownHosts::default(),
            trouble: Vec::new(),
        };
        let flake = match Flake::find(global.flake.as_deref()).await {
            Ok(flake) => flake,
            Err(error) if exit_of(&error) != Exit::Usage => {
                ground.trouble.push(FLAKE.error("tree", &error));
                return Ok(ground);
            }
            Err(error) if global.flake.is_some() || !words.is_empty() => return Err(error),
            Err(error) => {
                let message = format!("{error} Only this machine was looked at.");
                let finding = FLAKE.warning("tree", message);
                ground
                    .trouble
                    .push(finding.remedy("Go to your flake, or name it with --flake DIR."));
                return Ok(ground);
            }
        };
        // nix would make a lock file that is missing
        ground.nix = Nix::new(&flake.dir).with(vec!["--no-write-lock-file".to_owned()]);
        if process::find("nix").is_some() {
            let evaluate = ground.evaluate(&flake, words);
            if let Ok(done) = tokio::time::timeout(EVALUATION, evaluate).await {
                done?;
            } else {
                let seconds = EVALUATION.as_secs();
                let message = format!("The flake did not evaluate within {seconds} s.");
                let finding = FLAKE.failure("evaluation", message);
                ground.trouble.push(finding.remedy("`nix eval .#spinet.needs` shows what it waits for: often an input that cannot be fetched."));
            }
        }
        ground.flake = Some(flake);
        Ok(ground)
    }

    async fn evaluate(&mut self, flake: &Flake, words: &[String]) -> Result<()> {
        let fleet = match Fleet::load_if_any(&self.nix).await {
            Ok(Some(fleet)) => fleet,
            Ok(None) => {
                let message = "The flake has no output `spinet`, so its hosts are not known.";
                let finding = FLAKE.warning("evaluation", message);
                self.trouble.push(finding.remedy("`spinet.lib.fleet` makes it; without it only `spinet secrets` and `spinet card` work."));
                self.rules_alone(flake).await;
                return Ok(());
            }
            Err(error) => {
                self.trouble.push(FLAKE.error("evaluation", &error));
                self.rules_alone(flake).await;
                return Ok(());
            }
        };
        self.hosts = fleet.choose(&[])?;
        if !words.is_empty() {
            self.chosen = fleet.choose(words)?;
        }
        let rules = flake.dir.join(&fleet.rules);
        let (needs, rules) = tokio::join!(
            Needs::of_all(&self.nix),
            Rules::load(&rules, &flake.work_tree)
        );
        match needs {
            Ok(needs) => self.needs = Some(needs),
            Err(error) => self.trouble.push(FLAKE.error("evaluation", &error)),
        }
        self.rules = rules.map(Some);
        match KnownHosts::read(&flake.dir.join(&fleet.known_hosts)) {
            Ok(pins) => self.pins = pins,
            Err(error) => self
                .trouble
                .push(Subject::of("keys").error("pinned", &error)),
        }
        self.fleet = Some(fleet);
        Ok(())
    }

    /// The rules where they usually are: they evaluate without the flake.
    async fn rules_alone(&mut self, flake: &Flake) {
        if Rules::find(&flake.dir, None).is_ok_and(|file| file.starts_with(&flake.work_tree)) {
            self.rules = Rules::locate(&flake.dir, None).await.map(Some);
        }
    }

    /// The flake cannot do without this file, relative to it.
    pub fn names(&self, file: &Path) -> bool {
        let is_rules = |fleet: &Fleet| fleet.rules == file;
        let mut secrets = self.needs.iter().flat_map(BTreeMap::values);
        file == Path::new("flake.nix")
            || self.fleet.as_ref().is_some_and(is_rules)
            || secrets.any(|needs| needs.secrets.iter().any(|secret| secret.file == file))
    }
}
