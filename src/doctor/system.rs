//! What runs on a host: its systems, the last attempt, failed units, its health.

use super::finding::{Finding, Subject};
use crate::fleet::Host;
use crate::host::facts::Facts;
use crate::host::status::{Outcome, Status};

/// `failing`: its health checks; none known on a system that spinet did not make.
pub fn judge(host: &Host, status: &Status, failing: Option<&[String]>) -> Vec<Finding> {
    let subject = Subject::host(&host.name);
    let mut found = vec![attempt(host, status), systems(host, status)];
    found.push(if status.failed.is_empty() {
        subject.ok("units", "none has failed")
    } else {
        let message = format!("Units have failed: {}.", status.failed.join(" "));
        let look = format!(
            "ssh {}@{} systemctl status {}",
            host.user,
            host.address,
            status.failed.join(" ")
        );
        subject.failure("units", message).remedy(look)
    });
    found.push(match failing {
        None => subject
            .warning("health", "Its system was not made with spinet's module, so its secrets and health checks are not known.")
            .remedy(format!("`spinet deploy {}` brings it.", host.name)),
        Some([]) => subject.ok("health", "its secrets are there, and its checks are in order"),
        Some(failing) => subject
            .failure("health", format!("These checks of its configuration fail: {}.", failing.join(", ")))
            .remedy("A secret that is missing was not decrypted at activation: `journalctl -b -g agenix` there tells why."),
    });
    found
}

fn attempt(host: &Host, status: &Status) -> Finding {
    let (subject, name) = (Subject::host(&host.name), &host.name);
    let Some(last) = &status.last else {
        return subject.ok("attempt", "none waits; spinet did not deploy there yet");
    };
    let decide = format!("`spinet deploy {name} --confirm` or `--undo` decides it.");
    match &last.outcome {
        Outcome::Waiting { left } => subject
            .warning(
                "attempt",
                format!(
                    "{} waits to be confirmed, {} s left.",
                    last.id,
                    left.as_secs()
                ),
            )
            .remedy(decide),
        Outcome::Busy { phase, .. } => subject
            .warning("attempt", format!("{} is {phase} right now.", last.id))
            .remedy("Wait until it is through."),
        Outcome::Interrupted { phase } => subject
            .warning(
                "attempt",
                format!("{} was interrupted while {phase}.", last.id),
            )
            .remedy(decide),
        Outcome::Failed { reason } => subject
            .failure(
                "attempt",
                format!("The last attempt could not be undone completely: {reason}"),
            )
            .remedy(format!(
                "`spinet deploy {name}` puts it right; `spinet status {name}` shows what runs."
            )),
        Outcome::Undone { reason } => subject.ok(
            "attempt",
            format!("none waits; the last one was undone: {reason}"),
        ),
        Outcome::Committed | Outcome::Tested => {
            subject.ok("attempt", "none waits; the last one was confirmed")
        }
    }
}

fn systems(host: &Host, status: &Status) -> Finding {
    let (subject, name) = (Subject::host(&host.name), &host.name);
    let busy = status
        .last
        .as_ref()
        .is_some_and(crate::host::status::Last::is_pending);
    let boots = [&status.boot_entry, &status.profile];
    let boots = boots.into_iter().find(|path| !path.is_empty());
    if !busy && !status.boots(&status.current, &status.current) {
        let boots = boots.map_or("nothing known", String::as_str);
        return subject
            .warning("systems", format!("It runs another system than it would boot.\nruns  {}\nboots {boots}", status.current))
            .remedy(format!("`spinet deploy {name}` makes both the same; after `deploy --test` or `--boot` it is as it should be."));
    }
    if !status.permanent.is_empty() && status.profile != status.permanent {
        return subject
            .warning("systems", format!("Its configuration did not come from spinet, but from somebody on the host or another tool.\n{}", status.profile))
            .remedy(format!("`spinet deploy {name} --force` replaces it."));
    }
    subject.ok(
        "systems",
        format!("runs {}, and would boot it", status.current),
    )
}

/// A restart is nothing that has to be done.
pub fn of_kernel(host: &Host, facts: &Facts) -> Option<Finding> {
    let text = "a restart would bring another one than it runs";
    facts
        .kernel_waits
        .then(|| Subject::host(&host.name).ok("kernel", text))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use crate::host::status::Last;
    use std::time::Duration;

    fn settled() -> Status {
        Status {
            current: "/nix/store/a".into(),
            profile: "/nix/store/a".into(),
            boot_entry: "/nix/store/a".into(),
            permanent: "/nix/store/a".into(),
            ..Status::default()
        }
    }

    #[track_caller]
    fn expect(
        status: &Status,
        failing: Option<&[String]>,
        check: &str,
        verdict: Verdict,
        text: &str,
    ) {
        let found = judge(&Host::named("bach"), status, failing);
        let one = found.iter().find(|finding| finding.check == check).unwrap();
        let said = format!(
            "{} {}",
            one.message,
            one.remedy.as_deref().unwrap_or_default()
        );
        assert!(one.verdict == verdict && said.contains(text), "{one:?}");
    }

    #[test]
    fn a_settled_host_is_in_order() {
        let found = judge(&Host::named("bach"), &settled(), Some(&[]));
        assert!(
            found.iter().all(|finding| finding.verdict == Verdict::Ok),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_the_command_that_helps() {
        let change = |change: fn(&mut Status)| {
            let mut status = settled();
            change(&mut status);
            status
        };
        let other = change(|status| status.current = "/nix/store/b".into());
        expect(
            &other,
            None,
            "systems",
            Verdict::Warning,
            "spinet deploy bach",
        );
        let foreign = change(|status| status.permanent = "/nix/store/old".into());
        expect(&foreign, None, "systems", Verdict::Warning, "--force");
        let failed = change(|status| status.failed = vec!["nginx.service".into()]);
        expect(
            &failed,
            None,
            "units",
            Verdict::Failure,
            "systemctl status nginx.service",
        );
        let secret = ["secret wifi".to_owned()];
        expect(
            &settled(),
            Some(&secret),
            "health",
            Verdict::Failure,
            "secret wifi",
        );
        expect(
            &settled(),
            None,
            "health",
            Verdict::Warning,
            "spinet deploy bach",
        );
        let waits = change(|status| {
            status.last = Some(Last {
                id: "a-1".into(),
                outcome: Outcome::Waiting {
                    left: Duration::from_secs(9),
                },
                mode: "switch".into(),
                toplevel: String::new(),
                former: String::new(),
            });
        });
        expect(&waits, None, "attempt", Verdict::Warning, "--confirm");
    }
}
