//! What the first boot of a card with the host's configuration came to: nobody has confirmed that system, so its units
//! and secrets are looked at as a deploy would.

use std::time::Duration;

use anyhow::Result;

use crate::host::guard::Guard;
use crate::host::look;
use crate::host::root::Root;
use crate::host::ssh::Target;
use crate::host::status::Status;
use crate::ui::visible;

/// How long the first boot may go on after the host answers.
const BOOT: Duration = Duration::from_secs(180);

/// What is not as it should be; nothing where all is well.
pub async fn run(target: &Target) -> Result<Vec<String>> {
    let guard = Guard {
        root: Root::of(&target.host.user, None),
    };
    // sshd answers before everything is up; what is not up in time counts as it is
    let booted = Root::Already.run(&["systemctl", "is-system-running", "--wait"], &[]);
    let _ = target.run(&booted, Some(BOOT), |_| ()).await;
    let output = target
        .run(&guard.look(), Some(look::QUESTION), |_| ())
        .await?;
    let (status, failing) = look::told(target, &guard.root, &output).await?;
    Ok(troubles(&status, failing.as_deref()))
}

/// One sentence each.
fn troubles(status: &Status, failing: Option<&[String]>) -> Vec<String> {
    let mut troubles = Vec::new();
    match failing {
        Some([]) => {}
        Some(failing) => troubles.push(format!(
            "These checks fail: {}.",
            visible(&failing.join(", "))
        )),
        None => troubles.push("The health checks did not come to their end.".into()),
    }
    if !status.failed.is_empty() {
        troubles.push(format!(
            "These units failed: {}.",
            visible(&status.failed.join(", "))
        ));
    }
    if !status.boots(&status.current, &status.current) {
        troubles.push(format!(
            "It runs {}, and would boot something else next time.",
            visible(&status.current)
        ));
    }
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(more: &str) -> Status {
        let text = format!(
            "current=/nix/store/n\nprofile_now=/nix/store/n\nentry_now=/nix/store/n\n{more}end=status\n"
        );
        Status::parse(&text).unwrap()
    }

    #[test]
    fn a_card_is_well_when_nothing_failed_and_it_boots_what_it_runs() {
        assert!(troubles(&status(""), Some(&[])).is_empty());
        let shown = troubles(
            &status("failed_now=a.service b.service\n"),
            Some(&["secret wifi".into()]),
        );
        assert_eq!(
            shown,
            [
                "These checks fail: secret wifi.",
                "These units failed: a.service, b.service."
            ]
        );
        assert_eq!(troubles(&status(""), None).len(), 1);
        let other = troubles(&status("profile_now=/nix/store/o\n"), Some(&[]));
        assert!(other[0].contains("would boot something else"), "{other:?}");
    }
}
