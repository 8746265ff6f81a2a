//! The daemon and its command line; see [`keydove::cli`].

fn main() -> std::process::ExitCode {
    keydove::cli::run()
}
