//! Findings on standard output: for people by subject, a line each and what to do below; for programs as JSON.

use anyhow::{Context, Result};

use super::finding::{Finding, Verdict};
use crate::error::{Exit, Failure};
use crate::ui::{counted, out, print_sentences, visible};

/// Prints the findings. `brief` leaves out what is in order on this machine: the user asked for hosts.
pub fn print(findings: &[Finding], brief: bool, json: bool) -> Result<()> {
    if json {
        let text = serde_json::to_string(findings).context("while printing the findings")?;
        out!("{text}");
    } else {
        print_sentences(&text(findings, brief));
    }
    verdict(findings, json)
}

fn text(findings: &[Finding], brief: bool) -> String {
    let mut text = String::new();
    let mut title = None;
    for finding in findings {
        if brief && finding.host.is_none() && finding.verdict == Verdict::Ok {
            continue;
        }
        let group = finding.host.as_deref().unwrap_or(finding.subject);
        if title != Some(group) {
            text.push_str(&format!("{group}\n"));
            title = Some(group);
        }
        text.push_str(&row(finding));
    }
    text
}

fn row(finding: &Finding) -> String {
    let word = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Failure => "failure",
    };
    let mut lines = finding.message.lines().map(visible);
    let first = lines.next().unwrap_or_default();
    let mut text = format!("  {word:<8} {}: {first}\n", finding.check);
    for line in lines {
        text.push_str(&format!("           {line}\n"));
    }
    for way in finding.remedy.iter().flat_map(|ways| ways.lines()) {
        text.push_str(&format!("           Hint: {}\n", visible(way)));
    }
    text
}

/// The last line, and the exit code.
fn verdict(findings: &[Finding], json: bool) -> Result<()> {
    let number = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let (warnings, failures) = (number(Verdict::Warning), number(Verdict::Failure));
    let checks = counted(findings.len(), "check");
    if failures > 0 {
        let all = format!(
            "{checks}: {}, {}.",
            counted(failures, "failure"),
            counted(warnings, "warning")
        );
        return Err(Failure::new(all).exit(Exit::Drift).into());
    }
    if !json {
        let rest = match warnings {
            0 => "all in order".to_owned(),
            some => counted(some, "warning"),
        };
        out!("{checks}: {rest}.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Subject;
    use super::*;

    fn findings() -> Vec<Finding> {
        let (nix, host) = (Subject::of("nix"), Subject::host("bach"));
        vec![
            nix.ok("version", "2.26.3"),
            nix.warning("jobs", "None.\nSo it says \u{1b}[2J.")
                .remedy("Add some.\nOr more."),
            host.ok("clock", "in time"),
        ]
    }

    #[test]
    fn findings_are_shown_by_subject_with_what_to_do() {
        let expected = "nix\n  ok       version: 2.26.3\n  warning  jobs: None.\n           So it says \\u{1b}[2J.\n           Hint: Add some.\n           Hint: Or more.\nbach\n  ok       clock: in time\n";
        assert_eq!(text(&findings(), false), expected);
        let brief = text(&findings(), true);
        assert!(!brief.contains("version") && brief.contains("jobs") && brief.contains("clock"));
    }

    #[test]
    fn only_a_failure_fails() {
        let mut findings = findings();
        assert!(verdict(&findings, true).is_ok());
        findings.push(Subject::host("bach").failure("root", "It is read-only."));
        let error = verdict(&findings, true).unwrap_err();
        assert_eq!(crate::error::exit_of(&error).code(), 3);
        assert_eq!(error.to_string(), "4 checks: 1 failure, 1 warning.");
    }

    #[test]
    fn the_fields_for_programs_are_stable() {
        let json = serde_json::to_value(findings()).unwrap();
        assert_eq!(
            json[0],
            serde_json::json!({ "subject": "nix", "check": "version", "verdict": "ok", "message": "2.26.3", "remedy": null })
        );
        assert_eq!(json[2]["host"], "bach");
        assert_eq!(json[1]["remedy"], "Add some.\nOr more.");
    }
}
