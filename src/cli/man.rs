//! `keydove man`: man pages, made from the definitions of the commands.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::roff;
use super::storage::{Answer, Failure};

/// The exit codes of all commands, and what each means.
pub(super) const EXIT_CODES: [(u8, &str); 8] = [
    (
        0,
        "Done: stopped by SIGTERM or SIGINT; `check` found nothing that prevents logins; `hash --verify` found a match.",
    ),
    (
        1,
        "`check`: something prevents logins (with `--strict`: or a warning). `hash --verify`: the password does not match. \
         `bench`: a reply was wrong, missing, unexpected or a temporary failure. `sync`: it was not complete, or too many users \
         are gone at once. `census`: it was not complete.",
    ),
    (super::USAGE, "Wrong use of the command line."),
    (
        super::DATA,
        "`hash --verify`: the stored string is unusable. Other commands: there is no such row, or what was given does not \
         fit. Nothing was written.",
    ),
    (
        super::FAILED,
        "keydove cannot start although the configuration is sound: a socket, the SQLite file, `ca_file`. A command: the \
         database or the daemon cannot be asked, or a right is missing (nothing was written, unless the message says that it \
         may have been written), or the answer cannot be written. `bench`: the server cannot be reached.",
    ),
    (super::BUSY, "`sync`, `housekeeping`: another process is doing it right now."),
    (super::CONFIG, "The configuration is wrong; the message shows where. Starting again does not help."),
    (141, "The reader of the output has gone, as with `head`; the work is done."),
];

/// What every command has in common, in roff.
fn common() -> String {
    let codes = EXIT_CODES.iter().map(|(code, meaning)| format!(".TP\n{code}\n{}\n", roff::styled(meaning)));
    let codes: String = codes.collect();
    format!(
        ".SH \"EXIT STATUS\"\n{codes}.SH FILES\n.TP\n/etc/keydove/keydove.toml\n\
         The configuration, unless \\-\\-config names another one; see keydove.toml(5).\n"
    )
}

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An existing folder. Pages of the same name are replaced.
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut count = 0;
    write(&command, "", &arguments.folder, &mut count).map_err(|(path, error)| refuse(&path, &error))?;
    let path = arguments.folder.join("keydove.toml.5");
    std::fs::write(&path, roff::settings()).map_err(|error| refuse(&path, &error))?;
    Ok(format!("{} pages in {}", count + 1, arguments.folder.display()).into())
}

fn refuse(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::System(format!(
        "cannot write {path}: {error}; name a folder that is there and may be written to"
    ))
}

/// Writes the page of a command, and of each that stands under it.
fn write(
    command: &Command,
    name: &str,
    folder: &Path,
    count: &mut usize,
) -> Result<(), (PathBuf, io::Error)> {
    let page = Man::new(command.clone()).manual("keydove");
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    let written = render(&page, command, name, &mut text).and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| (path, error))?;
    *count += 1;
    command.get_subcommands().try_for_each(|below| {
        let name = format!("{name} {}", below.get_name());
        write(below, name.trim_start(), folder, count)
    })
}

fn render(page: &Man, command: &Command, name: &str, text: &mut Vec<u8>) -> io::Result<()> {
    page.render_title(text)?;
    page.render_name_section(text)?;
    page.render_synopsis_section(text)?;
    page.render_description_section(text)?;
    page.render_options_section(text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(text)?;
    }
    render_examples(name, text)?;
    text.extend_from_slice(common().as_bytes());
    Ok(())
}

fn render_examples(name: &str, text: &mut Vec<u8>) -> io::Result<()> {
    let examples = super::examples::of(name);
    if !examples.is_empty() {
        writeln!(text, ".SH EXAMPLES")?;
    }
    for (line, meaning) in examples {
        let line = line.replace('-', "\\-");
        match meaning.is_empty() {
            true => writeln!(text, ".TP\n.B {line}\n\\&")?,
            false => writeln!(text, ".TP\n.B {line}\n{meaning}")?,
        }
    }
    Ok(())
}
