//! The portal; see [`keydove_portal`].

fn main() -> std::process::ExitCode {
    keydove_portal::cli::run()
}
