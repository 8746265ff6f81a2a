//! The pages that are made from the source equal what the source says.
//!
//! `make docs` (`WRITE_DOCS=1 cargo test --test house manual`) writes them anew, for a reader to judge.

use std::path::Path;

use keydove::backend::sql::{Right, grants, needed};
use keydove::config::Config;
use keydove::{cli, daemon};

use crate::settings;

const BEGIN: &str = "<!-- Made from the source by `make docs`; do not change it here. -->\n";
const END: &str = "<!-- The end of what was made from the source. -->\n";

/// Compares what stands between the two marks of a page, or writes it.
fn holds(page: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("docs/{page} has no line {BEGIN}"));
    let (stands, after) = rest.split_once(END).unwrap_or_else(|| panic!("docs/{page} has no line {END}"));
    let made = format!("\n{made}\n");
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    let differs = stands.lines().zip(made.lines()).find(|(stands, made)| stands != made);
    assert!(
        stands == made,
        "docs/{page} is not what the source says; run `make docs`. First difference: {differs:?}"
    );
}

#[test]
fn the_page_of_reason_codes_is_what_the_tables_say() {
    holds("reasons.md", &cli::manual_of_reasons());
}

#[test]
fn the_page_of_commands_is_what_help_says() {
    holds("commands.md", &cli::manual_of_commands());
}

#[test]
fn the_table_of_background_tasks_is_what_the_daemon_starts() {
    holds("architecture.md", &daemon::manual_of_tasks());
}

#[test]
fn the_table_of_differences_in_shadow_mode_is_what_the_log_names() {
    holds("mailcow.md", &keydove::frontend::http_login::manual_of_differences());
}

#[test]
fn the_page_of_settings_is_what_the_structs_say() {
    holds("configuration.md", &settings::page());
}

const CONTROL: &str = "[[listener]]\ndoor = 'control'\npath = '/run/keydove/control'\n";
/// Beside mailcow, step by step.
const STEPS: [(&str, &str); 3] = [
    (
        "Shadow mode: reading only",
        "[http_login]\nlisten = '127.0.0.1:9082'\nshadow_url = 'https://127.0.0.1:9443'\n",
    ),
    ("keydove decides, and creates mailboxes at the first login", ""),
    (
        "With the sync, which switches leavers off",
        "[sync]\nimport = true\nimport_limit = 100\ndeactivate = 'receive-only'\n",
    ),
];

#[test]
fn the_page_of_grants_is_what_the_table_of_rights_says() {
    let mut page = String::new();
    for (title, more) in STEPS {
        let text = format!("{CONTROL}[mailcow]\nidentity_provider = true\n{more}");
        let features = Config::parse_features(Path::new("keydove.toml"), &text).unwrap();
        let rights: Vec<Right> =
            needed(&features).into_iter().filter(|right| !right.is_for_mysql()).collect();
        let statements = grants(&rights, "mailcow", "'keydove'@'%'").join("\n");
        page.push_str(&format!("## {title}\n\n```sql\n{statements}\n```\n\n"));
    }
    holds("grants.md", page.trim_end());
}
