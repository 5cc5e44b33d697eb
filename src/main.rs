//! spinet: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    spinet::run()
}
