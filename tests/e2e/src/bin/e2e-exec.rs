//! Starts another program so that it dies with the process that started it. See `e2e::guard`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    e2e::guard::exec(&arguments)
}
