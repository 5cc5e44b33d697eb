//! What must hold on a host before a deploy is confirmed, asked in one go over the fresh connection.

use std::time::Duration;

use anyhow::Result;

use super::manifest::{Check, Manifest};
use super::root::Root;
use super::ssh::Target;
use crate::process::quote;

/// Every check of a system: its secrets are there, its wifi is up, and what the user added.
pub fn checks(manifest: &Manifest) -> Vec<Check> {
    let mut checks: Vec<Check> = manifest
        .secrets
        .iter()
        .map(|secret| Check {
            name: format!("secret {}", secret.name),
            command: format!("test -s {}", quote(&secret.path.to_string_lossy())),
        })
        .collect();
    if manifest.wifi {
        checks.push(Check {
            name: "wifi".into(),
            command: "cat /sys/class/net/wl*/operstate | grep -qx up".into(),
        });
    }
    checks.extend(manifest.health_checks.iter().cloned());
    checks
}

/// Runs the checks on a host, within `limit`; the names of those that failed. None when they did not come to their end.
pub async fn ask(
    target: &Target,
    root: &Root,
    checks: &[Check],
    limit: Duration,
) -> Result<Option<Vec<String>>> {
    let remote = root.run(&["sh", "-c", &script(checks)], &[]);
    let output = target.run(&remote, Some(limit), |_| ()).await?;
    let failed = failed(checks, &String::from_utf8_lossy(&output.stdout));
    Ok(failed.map(|names| names.into_iter().map(str::to_owned).collect()))
}

/// One script for all checks: prints the number of each that fails, a line each, and `done` at the end.
fn script(checks: &[Check]) -> String {
    let mut script = String::new();
    for (number, check) in checks.iter().enumerate() {
        // a check of its own shell, so that `exit` and `set` in it stay its own
        script.push_str(&format!(
            "sh -c {} </dev/null >/dev/null 2>&1 || echo {number}\n",
            quote(&check.command)
        ));
    }
    script.push_str("echo done\n");
    script
}

/// The names of the checks that failed; `None` when the script did not run to its end.
fn failed<'a>(checks: &'a [Check], output: &str) -> Option<Vec<&'a str>> {
    let mut lines: Vec<&str> = output.lines().collect();
    if lines.pop() != Some("done") {
        return None;
    }
    let failed = lines
        .iter()
        .filter_map(|line| checks.get(line.parse::<usize>().ok()?));
    Some(failed.map(|check| check.name.as_str()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::manifest::Secret;

    #[test]
    fn failing_checks_are_told_by_name_and_cannot_end_the_others() {
        let manifest = Manifest {
            system: "aarch64-linux".into(),
            deadline: 60,
            secrets: vec![Secret {
                name: "wifi".into(),
                file: "/nix/store/x".into(),
                path: "/nonexistent/it's".into(),
            }],
            health_checks: vec![
                Check {
                    name: "quits".into(),
                    command: "exit 1".into(),
                },
                Check {
                    name: "fine".into(),
                    command: "true".into(),
                },
            ],
            wifi: false,
            joins_wifi: None,
            user: "root".into(),
        };
        let checks = checks(&manifest);
        let output = std::process::Command::new("sh")
            .args(["-c", &script(&checks)])
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(failed(&checks, &output).unwrap(), ["secret wifi", "quits"]);
    }

    #[test]
    fn a_script_cut_short_proves_nothing() {
        assert_eq!(failed(&[], ""), None);
        assert_eq!(failed(&[], "done\n"), Some(vec![]));
    }
}
