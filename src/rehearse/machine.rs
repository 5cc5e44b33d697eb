//! The virtual Pi: an aarch64 machine under QEMU whose firmware is U-Boot, as on a Pi, and which starts what extlinux.conf
//! on the very card says. A power cut ends QEMU: what the machine had not written to its card by then is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::network::{Network, TAP};
use crate::error::Failure;
use crate::process::{self, Background};

/// As much as a Raspberry Pi 3 has, in MiB.
const MEMORY: &str = "1024";
/// A card's usual size: nixpkgs' images grow to that of their card when they start first.
const CARD: u64 = 8 << 30;
/// Between two looks at whether QEMU runs.
const PAUSE: Duration = Duration::from_millis(500);

/// What a virtual Pi is made of.
pub struct Emulator {
    qemu: PathBuf,
    /// U-Boot as QEMU's `-bios` takes it.
    firmware: PathBuf,
}

/// One virtual Pi.
pub struct Machine<'a> {
    emulator: &'a Emulator,
    network: &'a Network,
    /// Where QEMU runs and writes its console to.
    dir: &'a Path,
    running: Option<Background>,
}

impl Emulator {
    /// Looks for QEMU (`$SPINET_QEMU`, else on PATH) and U-Boot (`$SPINET_UBOOT`), which the app `rehearse` brings.
    pub fn find() -> Result<Self> {
        let remedy = "`nix run .#rehearse` brings it along; SPINET_QEMU names a qemu-system-aarch64 and SPINET_UBOOT the u-boot.bin of U-Boot for QEMU's arm64 machine.";
        let named = |name| std::env::var_os(name).map(PathBuf::from);
        let qemu = named("SPINET_QEMU")
            .or_else(|| process::find("qemu-system-aarch64"))
            .ok_or_else(|| Failure::new("There is no qemu-system-aarch64.").hint(remedy))?;
        let firmware = named("SPINET_UBOOT").ok_or_else(|| {
            Failure::new("There is no U-Boot for QEMU's arm64 machine.").hint(remedy)
        })?;
        for file in [&qemu, &firmware] {
            if !file.is_file() {
                let text = format!("There is no file {}.", file.display());
                return Err(Failure::new(text).hint(remedy).into());
            }
        }
        Ok(Self { qemu, firmware })
    }
}

impl<'a> Machine<'a> {
    pub fn new(emulator: &'a Emulator, network: &'a Network, dir: &'a Path) -> Self {
        Self {
            emulator,
            network,
            dir,
            running: None,
        }
    }

    /// The log of the console, of all starts.
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Puts a card in and switches the Pi on. `clock` is the time it believes in, for a Pi has none of its own.
    pub fn power_on(&mut self, card: &Path, clock: &str) -> Result<()> {
        let file = std::fs::OpenOptions::new().write(true).open(card);
        let file = file.with_context(|| format!("while opening the card {}", card.display()))?;
        if file.metadata()?.len() < CARD {
            file.set_len(CARD).context("while making the card larger")?;
        }
        let drive = format!("file={},format=raw,if=none,id=card", card.display());
        let console = format!(
            "file,id=console,path={},append=on",
            self.console().display()
        );
        let tap = format!("tap,id=tap,ifname={TAP},script=no,downscript=no");
        let clock = format!("base={clock}");
        // with virtualization of this machine's own where it has the same architecture
        let native = cfg!(target_arch = "aarch64")
            && rustix::fs::access("/dev/kvm", rustix::fs::Access::WRITE_OK).is_ok();
        let (accel, cpu) = if native {
            ("kvm", "host")
        } else {
            ("tcg,thread=multi", "cortex-a53")
        };
        // Neither a random number in the device tree nor a device for them: U-Boot would seed the kernel's place with it,
        // and with that comes page table isolation, which halves the speed of an emulated machine.
        let cmd = self
            .network
            .cmd(&self.emulator.qemu)
            .args(["-machine", "virt,dtb-randomness=off"])
            .args(["-accel", accel, "-cpu", cpu, "-smp", "2"])
            .args(["-m", MEMORY, "-bios"])
            .arg(&self.emulator.firmware)
            .args(["-nodefaults", "-display", "none", "-monitor", "none"])
            .args([
                "-chardev",
                &console,
                "-serial",
                "chardev:console",
                "-rtc",
                &clock,
            ])
            .args(["-drive", &drive, "-device", "virtio-blk-device,drive=card"])
            .args(["-netdev", &tap, "-device"])
            .arg("virtio-net-device,netdev=tap,mac=b8:27:eb:00:00:01")
            .args(["-qmp", "unix:qmp,server=on,wait=off"])
            .dir(self.dir);
        self.running = Some(cmd.in_background(&self.dir.join("qemu.log"))?);
        Ok(())
    }

    /// The power goes.
    pub async fn power_cut(&mut self) {
        if let Some(mut qemu) = self.running.take() {
            qemu.kill().await;
        }
    }

    /// Plugs the cable in or out, at this machine's end: the Pi does not notice.
    pub async fn link(&self, up: bool) -> Result<()> {
        let stream = UnixStream::connect(self.dir.join("qmp")).await;
        let stream = stream.context("while connecting to QEMU")?;
        let (read, mut write) = stream.into_split();
        let mut answers = BufReader::new(read).lines();
        let set =
            serde_json::json!({ "execute": "set_link", "arguments": { "name": "tap", "up": up } });
        let leave = serde_json::json!({ "execute": "qmp_capabilities" });
        for command in [leave, set] {
            write.write_all(format!("{command}\n").as_bytes()).await?;
            // a greeting and events come in between
            loop {
                let answer = answers.next_line().await?.context("QEMU hung up.")?;
                if answer.contains("\"error\"") {
                    return Err(Failure::new(format!("QEMU refused {command}: {answer}")).into());
                }
                if answer.contains("\"return\"") {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Fails, with QEMU's own words, if QEMU has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        let Some(qemu) = self.running.as_mut() else {
            return Ok(());
        };
        if qemu.is_running() {
            return Ok(());
        }
        let said = qemu.output();
        Err(Failure::new("The virtual Pi does not run: QEMU has ended.")
            .source(anyhow::anyhow!("{said}"))
            .into())
    }

    /// The error of a QEMU that ends by itself, once it does.
    pub async fn ended(&mut self) -> anyhow::Error {
        loop {
            if let Err(error) = self.check() {
                return error;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
