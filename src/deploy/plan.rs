//! `--plan`: every step a deploy would take.

use crate::cli;
use crate::fleet::Host;
use crate::ui::print_sentences;

pub fn print(hosts: &[Host], args: &cli::Deploy) {
    let names: Vec<_> = hosts.iter().map(|h| h.name.as_str()).collect();
    let all = names.join(", ");
    if args.confirm || args.undo {
        print_sentences(&format!(
            "1. Read what waits to be decided on {all}, and decide it."
        ));
        return;
    }
    if args.rollback {
        print_sentences(&format!(
            "1. Read which configuration each of {all} had before."
        ));
    } else if args.building.build_on_host {
        print_sentences(&format!("1. Evaluate, and build on each of {all}."));
    } else {
        let attrs = names.join(" .#");
        print_sentences(&format!(
            "1. Build with `nix build .#{attrs}`, and read what each host runs meanwhile."
        ));
    }
    if args.diff {
        print_sentences("2. Show what changes, and ask.");
    }
    for host in hosts {
        for step in steps(host, args) {
            print_sentences(&format!("- {}: {step}.", host.name));
        }
    }
}

fn steps(host: &Host, args: &cli::Deploy) -> Vec<String> {
    let mut steps = vec!["check architecture, secrets and room".to_owned()];
    if !args.rollback && !args.building.build_on_host {
        steps.push(format!(
            "copy the closure to {}@{} unless it is there",
            host.user, host.address
        ));
    }
    let confirm = "log in anew under the pinned key, and check its health";
    let more: &[&str] = if args.dry_activate {
        &["show what an activation would do"]
    } else if args.boot {
        &["have the guard make it what boots"]
    } else if args.reboot {
        &[
            "have the guard make it what boots, and restart",
            confirm,
            "confirm, or the guard takes it back and restarts",
        ]
    } else if args.test {
        &[
            "activate it under a guard that undoes it unless confirmed",
            confirm,
            "leave it running until the next start",
        ]
    } else {
        &[
            "activate it under a guard that undoes it unless confirmed",
            confirm,
            "have the guard make it permanent",
        ]
    };
    steps.extend(more.iter().map(ToString::to_string));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn steps_of(flags: &[&str]) -> Vec<String> {
        let args = ["spinet", "deploy"].iter().chain(flags);
        let cli::Command::Deploy(args) = cli::Cli::parse_from(args).command else {
            panic!("another command");
        };
        let host = Host::named("bach");
        steps(&host, &args)
    }

    #[test]
    fn each_way_to_deploy_has_its_own_end() {
        let last = |flags| steps_of(flags).pop().unwrap();
        assert_eq!(last(&[]), "have the guard make it permanent");
        assert_eq!(last(&["--boot"]), "have the guard make it what boots");
        assert_eq!(last(&["--test"]), "leave it running until the next start");
        assert!(last(&["--reboot"]).contains("takes it back"));
        assert!(
            steps_of(&["--rollback"])
                .iter()
                .all(|step| !step.contains("copy"))
        );
    }

    #[test]
    fn ways_that_contradict_each_other_are_refused() {
        for flags in [
            &["--boot", "--test"][..],
            &["--rollback", "--cache", "file:///c"],
            &["--confirm", "--undo"],
            &["--undo", "--reboot"],
            &["--build-on-host", "--diff"],
            &["--deadline", "1"],
            &["--parallel", "0"],
        ] {
            let args = ["spinet", "deploy"].iter().chain(flags);
            assert!(cli::Cli::try_parse_from(args).is_err(), "{flags:?}");
        }
    }
}
