//! A line typed at the terminal, or a signal instead of it. The questions are asked on the one thread that also hears
//! signals, so a plain read would keep an interrupt waiting for the next line.

use std::io::{self, BufRead, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How soon a signal is noticed that arrives just before the wait begins.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The line without its end; `None` when a signal asked this run to stop.
pub fn line() -> io::Result<Option<String>> {
    let signals = Signals::listen()?;
    let stdin = io::stdin();
    loop {
        if signals.arrived() {
            return Ok(None);
        }
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&LOOK)) {
            Ok(0) => {}
            Ok(_) => break,
            Err(e) if io::Error::from(e).kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(Some(answer.trim().to_owned()))
}

struct Signals {
    arrived: Arc<AtomicBool>,
    ids: Vec<signal_hook::SigId>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let arrived = Arc::new(AtomicBool::new(false));
        let listen = |signal| signal_hook::flag::register(signal, arrived.clone());
        let ids = [SIGINT, SIGTERM, SIGHUP]
            .map(listen)
            .into_iter()
            .collect::<io::Result<_>>()?;
        Ok(Self { arrived, ids })
    }

    fn arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}
