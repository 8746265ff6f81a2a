//! `keydove kick`: whose open sessions the running daemon holds, because too many people lost access at once.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::cache::to_json;
use super::control::{ask, other_answer};
use super::storage::{Answer, Failure};
use super::table::table;
use crate::backend::kick::Held;
use crate::frontend::control::{Reply, Request};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the users whose open sessions are held, why, and for how long.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// End the held sessions: these users should lose access. Users who may log in again meanwhile keep theirs.
    Release(Whom),
    /// Let the held sessions go on: these users lost access by mistake.
    Spare(Whom),
}

#[derive(Debug, clap::Args)]
struct Whom {
    /// The address of a mailbox.
    #[arg(required_unless_present = "all")]
    address: Option<String>,
    /// All users whose sessions are held.
    #[arg(long, conflicts_with = "address")]
    all: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let (request, json) = match &arguments.command {
        Command::List { json } => (Request::KickList, *json),
        Command::Release(whom) => (Request::KickRelease { user: whom.address.clone() }, whom.json),
        Command::Spare(whom) => (Request::KickSpare { user: whom.address.clone() }, whom.json),
    };
    let text = match ask(config, &request)? {
        Reply::Held { first, total } if json => to_json(&json!({ "total": total, "held": first }))?,
        Reply::Held { first, total } => show(first, total),
        Reply::NoLongerHeld { kicked, spared } if json => {
            to_json(&json!({ "kicked": kicked, "spared": spared }))?
        }
        Reply::NoLongerHeld { kicked: 0, spared: 0 } => "nobody's sessions are held".to_owned(),
        Reply::NoLongerHeld { kicked, spared } => {
            format!("sessions end: {kicked} mailboxes; sessions go on: {spared} mailboxes")
        }
        Reply::Error(error) => return Err(Failure::Data(error)),
        _ => return Err(other_answer()),
    };
    Ok(text.into())
}

fn show(held: Vec<Held>, total: usize) -> String {
    if total == 0 {
        return "nobody's sessions are held".to_owned();
    }
    let left = total - held.len();
    let rows = held.into_iter().map(|held| [held.user, held.why, format!("{} s", held.seconds)]);
    let mut text = table(["mailbox", "why", "held for"], rows.collect());
    if left > 0 {
        text.push_str(&format!("\nand {left} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_how_many_it_leaves_out() {
        let held = || Held { user: "a@example.org".to_owned(), why: "disabled".to_owned(), seconds: 4 };
        assert_eq!(show(Vec::new(), 0), "nobody's sessions are held");
        let expected = "mailbox        why       held for\na@example.org  disabled  4 s\nand 2 more";
        assert_eq!(show(vec![held()], 3), expected);
    }
}
