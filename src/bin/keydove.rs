//! The daemon and its command line; see [`keydove::cli`].

/// There may be a million small records, of which glibc's allocator makes larger ones.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    keydove::cli::run()
}
