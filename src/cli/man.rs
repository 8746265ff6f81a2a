//! `keydove man`: man pages, made from the definitions of the commands.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::storage::{Answer, Failure};

/// What every command has in common, in roff.
const COMMON: &str = "\
.SH \"EXIT STATUS\"
.TP
0
Done; nothing stands against logins; the password matches.
.TP
1
A check found a fault, a password does not match, a load was not answered well, a sync or a census was not complete.
.TP
64
Wrong use of the command line.
.TP
65
There is no such row, or what was given does not fit. Nothing was written.
.TP
70
The daemon cannot start or cannot be asked, or the database or the system failed.
.TP
75
Another process does it just now.
.TP
78
The configuration is wrong; the message shows where.
.SH FILES
.TP
/etc/keydove/keydove.toml
The configuration, unless \\-\\-config names another one.
";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder, which must be there; pages of the same name are replaced.
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let mut command = super::Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut count = 0;
    write(&command, "", &arguments.folder, &mut count).map_err(|(path, error)| {
        let path = path.display();
        Failure::System(format!(
            "cannot write {path}: {error}; name a folder that is there and may be written to"
        ))
    })?;
    Ok(format!("{count} pages in {}", arguments.folder.display()).into())
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
    text.extend_from_slice(COMMON.as_bytes());
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
