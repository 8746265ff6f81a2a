//! `keydove throttle`: what the running daemon counts against guessing.

use std::path::Path;

use clap::Subcommand;

use super::cache::to_json;
use super::control::{ask, other_answer};
use super::storage::{Answer, Failure};
use super::table::table;
use crate::frontend::control::{Reply, Request};
use crate::login::throttle::Listed;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List recent wrong passwords by account and place, and who has to wait; the longest wait first.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Forget what was counted about an account, an address or a network: its next login does not wait.
    Clear {
        /// A mail address, an IP address, or a network such as 192.0.2.0/24.
        #[arg(required_unless_present = "all")]
        target: Option<String>,
        /// Forget everything that was counted.
        #[arg(long, conflicts_with = "target")]
        all: bool,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments, config: &Path) -> Result<Answer, Failure> {
    let (request, json) = match &arguments.command {
        Command::List { json } => (Request::ThrottleList, *json),
        Command::Clear { target, json, .. } => {
            let target = target.clone().unwrap_or_else(|| "all".to_owned());
            (Request::ThrottleClear { target }, *json)
        }
    };
    let text = match ask(config, &request)? {
        Reply::Throttled { first, total } if json => {
            to_json(&serde_json::json!({ "total": total, "counters": first }))?
        }
        Reply::Throttled { first, total } => show(&first, total),
        Reply::Cleared(count) if json => to_json(&serde_json::json!({ "cleared": count }))?,
        Reply::Cleared(0) => "nothing was counted about that".to_owned(),
        Reply::Cleared(count) => format!("{count} counters are forgotten"),
        Reply::Error(error) => return Err(Failure::Data(error)),
        _ => return Err(other_answer()),
    };
    Ok(text.into())
}

fn show(listed: &[Listed], total: usize) -> String {
    if listed.is_empty() {
        return "nothing was wrong lately".to_owned();
    }
    let row = |one: &Listed| {
        [
            one.user.clone().unwrap_or_else(|| "(accounts)".to_owned()),
            one.place.to_string(),
            format!("{} of {}", one.strikes, one.limit),
            if one.wait_seconds == 0 { String::new() } else { format!("{} s", one.wait_seconds) },
            format!("{} s ago", one.last_seconds),
        ]
    };
    let text =
        table(["account", "from", "different", "has to wait", "last"], listed.iter().map(row).collect());
    match total - listed.len() {
        0 => text,
        more => format!("{text}\nand {more} more"),
    }
}
