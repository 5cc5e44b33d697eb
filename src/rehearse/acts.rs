//! What each step does to the virtual Pi, and how it is told whether that is what was promised.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::Rehearsal;
use super::fault::{Drawn, Fault, Stage};
use super::network::PI;
use super::observe::{Ended, Seen};
use super::occasion::SSID;
use super::steps::Step;
use crate::error::Failure;
use crate::host::known_hosts::KnownHosts;
use crate::process::Background;

/// How long a deploy may wait for its confirmation, in seconds: an emulated Pi is slow.
const LONG: &str = "400";
/// The same where spinet is killed and the host decides.
const LEFT: &str = "60";
/// What spinet prints when the activation is over and a new connection works.
const CONFIRMED: &str = "reached over a new connection";
/// Checks the bytes of what came since the Pi booted.
const VERIFY: &str = "dir=$(mktemp -d)
for each in current booted; do nix-store --query --requisites /run/$each-system | sort >$dir/$each; done
comm -23 $dir/current $dir/booted | xargs nix-store --verify-path
";
/// The time a Pi without a clock believes in.
const NO_TIME: &str = "1970-01-01T00:00:00";
const NOW: &str = "utc";

impl Rehearsal<'_> {
    /// Takes one step; what happened, or how that differs from what was promised.
    pub async fn take(&mut self, step: &Step) -> Result<String> {
        match step {
            Step::Bootstrap => {
                let running = self.write_card().await?;
                self.first_boot(running).await
            }
            Step::Deploy | Step::DeployAgain => self.deploy().await,
            Step::CutsNetwork => self.cuts_network().await,
            Step::DiskFull => self.disk_full().await,
            Step::During(stage, fault) => {
                let drawn = Drawn {
                    stage: *stage,
                    fault: *fault,
                    after: 500,
                };
                self.during(&drawn).await
            }
            Step::ReflashKilled => self.reflash_killed().await,
            Step::OldCard => self.old_card().await,
            Step::NewCard => {
                self.machine.power_cut().await;
                let running = self.bootstrap(&self.timeout())?;
                self.first_boot(running).await
            }
            Step::Drawn(drawn) => self.during(drawn).await,
        }
    }

    /// Brings the Pi back to what the flake builds, by a power cut if need be; whether it is there.
    pub async fn recover(&mut self) -> bool {
        if self.deploy().await.is_ok() {
            return true;
        }
        self.restart(NOW).await.is_ok()
            && self.settled().await.is_ok()
            && self.deploy().await.is_ok()
    }

    fn card(&self) -> std::path::PathBuf {
        self.scratch.file("card.img")
    }

    fn timeout(&self) -> String {
        self.patience.as_secs().to_string()
    }

    fn pinned(&self) -> Result<Option<String>> {
        let known = KnownHosts::read(&self.scratch.known_hosts)?;
        Ok(known.key(&self.host.name))
    }

    fn bootstrap(&self, timeout: &str) -> Result<Background> {
        let card = self.card().display().to_string();
        let wifi = self.scratch.file("wifi").display().to_string();
        let mut args = vec![
            "bootstrap",
            &self.host.name,
            "--card",
            &card,
            "--yes",
            "--timeout",
            timeout,
        ];
        if self.scratch.has_wifi {
            args.extend(["--wifi", SSID, "--wifi-from", &wifi]);
        } else {
            args.push("--no-wifi");
        }
        let identities = self.scratch.identity_flags();
        args.extend(identities.iter().map(String::as_str));
        self.start(&args)
    }

    /// A bootstrap that has written its card and waits.
    async fn write_card(&mut self) -> Result<Background> {
        let mut running = self.bootstrap(&self.timeout())?;
        self.until(&mut running, "The card is ready.").await?;
        Ok(running)
    }

    /// Puts the new card in, and sees the bootstrap to its end.
    async fn first_boot(&mut self, running: Background) -> Result<String> {
        let before = self.pinned()?;
        self.machine.power_on(&self.card(), NOW)?;
        let ended = tokio::select! {
            ended = Ended::of(running) => ended?,
            error = self.machine.ended() => return Err(error),
        };
        ended.expect(0)?;
        let pinned = self
            .pinned()?
            .ok_or_else(|| Failure::new("No key is pinned."))?;
        let rules = std::fs::read_to_string(&self.scratch.rules)?;
        let blob = |key: &str| key.split(' ').nth(1).unwrap_or_default().to_owned();
        if let Some(before) = before
            && (before == pinned || rules.contains(&blob(&before)))
        {
            return Err(Failure::new("The old key is still there.").into());
        }
        if !rules.contains(&blob(&pinned)) {
            return Err(Failure::new("The pinned key is not in the rules.").into());
        }
        self.spinet(&["secrets", "check"]).await?.expect(0)?;
        let seen = self.settled().await?;
        Ok(format!(
            "enrolled under {}; {}",
            crate::host::key::fingerprint(&pinned)?,
            state(&seen)
        ))
    }

    async fn deploy(&mut self) -> Result<String> {
        let args = ["deploy", &self.host.name, "--deadline", LONG];
        let mut running = self.start(&args)?;
        // not if it is there already
        let activates = running.prints(Stage::Starting.sign(), self.patience).await;
        let start = Instant::now();
        if activates && running.prints(CONFIRMED, self.patience).await {
            self.pace = start.elapsed();
        }
        Ended::of(running).await?.expect(0)?;
        let seen = self.settled_and_built().await?;
        if !seen.is_built() || !seen.is_permanent() {
            return Err(Failure::new(format!(
                "It runs {}, which is not what the flake builds, or would not boot it.",
                seen.current
            ))
            .into());
        }
        sound(&seen)?;
        Ok(format!("exit 0; {}", state(&seen)))
    }

    async fn cuts_network(&mut self) -> Result<String> {
        let before = self.before().await?;
        // long enough for the network to be cut, on a machine as slow as this one
        let deadline = (5 + self.pace.as_secs() * 5 / 4).to_string();
        let args = [
            "deploy",
            &self.host.name,
            "--variant",
            "cuts-network",
            "--deadline",
            &deadline,
        ];
        let ended = self.spinet(&args).await?;
        ended.expect(4)?;
        let seen = self.settled().await?;
        same(&before, &seen).map(|text| format!("exit 4; {text}"))
    }

    async fn disk_full(&mut self) -> Result<String> {
        let before = self.before().await?;
        // what fills it takes no time to write
        self.on_host("room=$(df --output=avail -B1M /nix/store | tail -n 1); fallocate -l $((room - 8))M /nix/full").await?;
        let ended = self
            .spinet(&["deploy", &self.host.name, "--variant", "large-0"])
            .await;
        self.on_host("rm /nix/full").await?;
        ended?.expect(1)?;
        let seen = self.settled().await?;
        same(&before, &seen).map(|text| format!("exit 1; {text}"))
    }

    /// A deploy, a fault in the midst of it, and the next deploy.
    async fn during(&mut self, drawn: &Drawn) -> Result<String> {
        let before = self.before().await?;
        self.faults += 1;
        let variant = match drawn.stage {
            // what was copied once is there
            Stage::Copying => format!("{}-{}", drawn.stage.variant(), self.faults),
            _ => drawn.stage.variant().to_owned(),
        };
        let deadline = if drawn.fault == Fault::Kill {
            LEFT
        } else {
            LONG
        };
        let args = [
            "deploy",
            &self.host.name,
            "--variant",
            &variant,
            "--deadline",
            deadline,
        ];
        let mut running = self.start(&args)?;
        self.until(&mut running, drawn.stage.sign()).await?;
        tokio::time::sleep(Duration::from_millis(drawn.after)).await;
        match drawn.fault {
            Fault::Power => self.restart(NOW).await?,
            Fault::PowerAndClock => self.restart(NO_TIME).await?,
            Fault::Link(seconds) => {
                self.machine.link(false).await?;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.machine.link(true).await?;
            }
            Fault::Kill => running.kill().await,
        }
        let ended = Ended::of(running).await?;
        let seen = self.settled().await?;
        if !seen.is_permanent() {
            return Err(Failure::new(format!(
                "It runs {}, and would boot another system.",
                seen.current
            ))
            .into());
        }
        sound(&seen)?;
        let is_former = seen.current == before.current;
        let agrees = match ended.code {
            Some(0) => !is_former,
            Some(1 | 4) => is_former,
            // it did not come to a report, or said that it does not know
            None | Some(5) => true,
            Some(_) => false,
        };
        let exit = ended
            .code
            .map_or("killed".into(), |code| format!("exit {code}"));
        let system = if is_former { "former" } else { "new" };
        if !agrees {
            let failure = Failure::new(format!("{exit}, and the Pi is on its {system} system."));
            return Err(failure.source(anyhow::anyhow!("{}", ended.output)).into());
        }
        if drawn.stage == Stage::Copying {
            if ended.code != Some(0) {
                self.spinet(&args).await?.expect(0)?;
            }
            // a file of no content, left by the power cut, would be found here
            self.on_host(VERIFY).await?;
        } else {
            self.deploy().await?;
        }
        Ok(format!(
            "{exit}; on its {system} system; the next deploy works"
        ))
    }

    async fn reflash_killed(&mut self) -> Result<String> {
        let before = self.pinned()?;
        // the Pi runs on: its card keeps its file
        std::fs::rename(self.card(), self.scratch.file("old-card.img"))?;
        let mut running = self.write_card().await?;
        running.kill().await;
        if self.pinned()? != before {
            return Err(Failure::new("The old card's key is not pinned any more.").into());
        }
        Ok("killed; the old key is pinned".into())
    }

    async fn old_card(&mut self) -> Result<String> {
        let before = self.pinned()?;
        let ended = Ended::of(self.bootstrap("6")?).await?;
        ended.expect(1)?;
        if self.pinned()? != before || !ended.output.contains("another key") {
            let failure = Failure::new("It was not told apart by its key.");
            return Err(failure.source(anyhow::anyhow!("{}", ended.output)).into());
        }
        Ok("exit 1; told apart by its key".into())
    }

    /// Cuts the power and switches the Pi on again. `clock` is the time it believes in then.
    async fn restart(&mut self, clock: &str) -> Result<()> {
        self.machine.power_cut().await;
        self.machine.power_on(&self.card(), clock)
    }

    /// Runs a script on the Pi, as root.
    async fn on_host(&self, script: &str) -> Result<()> {
        let user = &self.host.user;
        let sudo = if user == "root" { "" } else { "sudo -n " };
        let known = format!("UserKnownHostsFile={}", self.scratch.known_hosts.display());
        let alias = format!("HostKeyAlias={}", self.host.name);
        let cmd = self
            .scratch
            .at_home(self.network.cmd(self.scratch.file("bin/ssh")));
        cmd.args([
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            &known,
            "-o",
            &alias,
        ])
        .args(["-p", &self.host.port.to_string(), &format!("{user}@{PI}")])
        .arg(format!("{sudo}sh -c {}", crate::process::quote(script)))
        .run()
        .await
        .map(drop)
    }
}

/// Its secrets and checks are in order.
fn sound(seen: &Seen) -> Result<()> {
    if seen.failing().is_empty() {
        return Ok(());
    }
    let failing = seen.failing().join(", ");
    Err(Failure::new(format!("These fail on it: {failing}.")).into())
}

/// It is on the very system it was on, for good.
fn same(before: &Seen, now: &Seen) -> Result<String> {
    if before.current != now.current || !now.is_permanent() {
        let text = format!(
            "It runs {}, not {}, or would not boot it.",
            now.current, before.current
        );
        return Err(Failure::new(text).into());
    }
    sound(now)?;
    Ok("on its former system".into())
}

fn state(seen: &Seen) -> String {
    match seen.failed_units() {
        [] => "no unit failed".into(),
        units => format!("failed: {}", units.join(", ")),
    }
}
