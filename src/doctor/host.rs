//! A host: reached under its pinned key over one connection, and what it says judged by subject.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use age::secrecy::SecretString;
use anyhow::Result;

use super::finding::{Finding, Subject};
use super::ground::Ground;
use super::{board, system};
use crate::cli::Doctor;
use crate::fleet::Host;
use crate::host::facts::{Facts, SCRIPT};
use crate::host::look::Seen;
use crate::host::wait::Search;
use crate::parallel::at_most;
use crate::ui::Ui;

/// How long a host may take to answer.
const REACH: Duration = Duration::from_secs(10);
/// And for all it is asked.
const LIMIT: Duration = Duration::from_secs(90);

/// Every host that was named, in its order.
pub async fn check(
    ground: &Ground,
    args: &Doctor,
    password: Option<&Rc<SecretString>>,
    ui: &Ui,
) -> Vec<Finding> {
    let each = ground.chosen.iter().map(|host| async move {
        let subject = Subject::host(&host.name);
        let work = of(ground, host, args.address.as_deref(), password, ui);
        subject.within(LIMIT, work).await
    });
    let found = at_most(usize::from(args.parallel), each).await;
    found.into_iter().flatten().collect()
}

async fn of(
    ground: &Ground,
    host: &Host,
    address: Option<&str>,
    password: Option<&Rc<SecretString>>,
    ui: &Ui,
) -> Vec<Finding> {
    let subject = Subject::host(&host.name);
    let seen = match enter(ground, host, address, password, ui).await {
        Ok(seen) => seen,
        Err(error) => return vec![subject.error("reached", &error)],
    };
    let user = seen.target.host.user.clone();
    let mut found = vec![subject.ok("reached", format!("under its pinned key, as {user}"))];
    found.extend(system::judge(host, &seen.status, seen.failing.as_deref()));
    let facts = match seen.ask(SCRIPT).await {
        Ok(text) => Facts::parse(&text),
        Err(error) => Err(error),
    };
    match facts {
        Ok(facts) => {
            found.extend(system::of_kernel(host, &facts));
            found.extend(board::judge(host, &facts, seen.status.memory, now()));
        }
        Err(error) => found.push(subject.error("facts", &error)),
    }
    seen.target.close().await;
    found
}

async fn enter(
    ground: &Ground,
    host: &Host,
    address: Option<&str>,
    password: Option<&Rc<SecretString>>,
    ui: &Ui,
) -> Result<Seen> {
    let key = ground.pins.need(&host.name)?;
    let search = Search {
        host,
        address,
        timeout: REACH,
    };
    Seen::at(&search, &key, password, ui).await
}

/// Seconds since 1970 by this machine's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
