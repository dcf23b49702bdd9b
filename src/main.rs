//! The `fig6` command; see the library's first page.

use std::process::ExitCode;

fn main() -> ExitCode {
    fig6::cli::main()
}
