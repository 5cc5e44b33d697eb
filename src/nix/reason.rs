//! What of nix' standard error tells why it failed.

/// All but what it was doing, and the way an evaluation took to its error: `--show-trace` is for those who want that.
pub fn of(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !is_progress(line)).collect();
    let mut kept = String::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        if *line == "error:" {
            let trace = after.iter().take_while(|line| !is_outermost(line)).count();
            let (trace, other) = after.split_at(trace);
            let cause = trace.iter().rposition(|line| is_error(line));
            // without places it is no evaluation's way: a build that is set up, an input that is fetched
            let is_way = |cause: &usize| trace[..*cause].iter().any(|line| is_place(line));
            if let Some(cause) = cause.filter(is_way) {
                push_without_margin(&mut kept, &trace[cause..]);
                rest = other;
                continue;
            }
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// Whether a line tells what nix does, or which builds were not begun because another one failed.
fn is_progress(line: &str) -> bool {
    let begins = |words: &[&str]| words.iter().any(|each| line.starts_with(each));
    begins(&[
        "building '/",
        "copying path '",
        "copying ",
        "these ",
        "  /nix/store/",
    ]) || line.contains(" dependenc")
        && (line.ends_with(" failed to build") || line.ends_with(" failed."))
}

/// What is part of an error is moved in.
fn is_outermost(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(' ')
}

/// `at FILE:LINE:COLUMN:`, below what was evaluated there.
fn is_place(line: &str) -> bool {
    line.trim_start().starts_with("at ")
}

fn is_error(line: &str) -> bool {
    let text = line.trim_start();
    text == "error:" || text.starts_with("error: ")
}

/// The lines, as far to the left as the first of them lets them.
fn push_without_margin(text: &mut String, lines: &[&str]) {
    let first = lines.first().copied().unwrap_or_default();
    let margin = first.len() - first.trim_start().len();
    for line in lines {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        text.push_str(&line[spaces.min(margin)..]);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_of_a_build_is_known_by_is_kept() {
        let said = "error:\n       … while setting up the build environment\n\n       error: mounting /proc: Operation not permitted\n";
        assert_eq!(of(said), said);
        let said = "error:\n       … while fetching the input 'github:NixOS/nixpkgs'\n\n       error: cannot resolve the host\n";
        assert_eq!(of(said), said);
    }

    #[test]
    fn the_reason_of_a_failed_build_stands_out_of_what_surrounds_it() {
        // of nix 2.26 and 2.32
        for noise in [
            "building '/nix/store/lxl8r9cwc2rhxpivxicfs2fn41iwjbz4-etc.drv'...",
            "these 2 derivations will be built:",
            "  /nix/store/lxl8r9cwc2rhxpivxicfs2fn41iwjbz4-etc.drv",
            "error: 2 dependencies of derivation '/nix/store/zda7nphlnk10a8zc1i432r1xzwm2r8s3-system.drv' failed to build",
            "       Reason: 1 dependency failed.",
        ] {
            assert_eq!(of(noise), "", "{noise}");
        }
        for reason in [
            "error: builder for '/nix/store/lxl8r9cwc2rhxpivxicfs2fn41iwjbz4-etc.drv' failed with exit code 1;",
            "       > cp: cannot stat 'kernel': No such file or directory",
            "etc> cp: cannot stat 'kernel': No such file or directory",
            "       Reason: builder failed with exit code 1.",
            "error: attribute 'bach' missing",
        ] {
            assert_eq!(of(reason), format!("{reason}\n"));
        }
    }

    #[test]
    fn of_a_failed_evaluation_its_cause_is_left() {
        // of nix 2.26
        let printed = "\
warning: Git tree '/home/anna/pi' is dirty
error:
       … while evaluating the attribute 'config'
         at /nix/store/5pahgkn21hxj51vpjhsjb8kdcpxhydh8-source/lib/modules.nix:163:7:
          162|       options = mapAttrs (_: c: c.options) children;
          163|       config =
             |       ^
          164|         if refused != [ ] then

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error:
       Failed assertions:
       - spinet could reach this host only once: sshd is off. Add

           services.openssh.enable = true;
error: one more
";
        let cause = "\
warning: Git tree '/home/anna/pi' is dirty
error:
Failed assertions:
- spinet could reach this host only once: sshd is off. Add

    services.openssh.enable = true;
error: one more
";
        assert_eq!(of(printed), cause);
    }

    #[test]
    fn an_error_without_a_way_to_it_stays_whole() {
        let printed = "\
error:
       Failed assertions:
       - No root file system.
";
        assert_eq!(of(printed), printed);
        let printed =
            "error: undefined variable 'missing'\n       at /home/anna/pi/flake.nix:1:2:\n";
        assert_eq!(of(printed), printed);
        assert_eq!(of(""), "");
    }
}
