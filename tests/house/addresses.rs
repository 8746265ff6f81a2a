//! Clients' addresses reach the log through one function, which shows them as `[log] addresses` says.

use crate::layers::sources;

/// What a client's address is called in the sources.
const NAMES: [&str; 5] = ["remote", "peer", "rip", "client", "ip"];
/// Makes texts for ban tools, which act on addresses and get them as they are.
const BAN_LINE: &str = "jobs/bookkeeping/ban_line.rs";

/// Where an address becomes a field or a text of a line by another way.
fn faults(file: &str, text: &str) -> Vec<String> {
    if file.starts_with("observe/") || file == BAN_LINE {
        return Vec::new();
    }
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let shows = |line: &str| {
        let is_field = line.contains("field::display") || line.contains("field::debug");
        let is_named = NAMES.iter().any(|name| {
            [format!("%{name}"), format!("?{name}"), format!("{{{name}}}"), format!("{{{name}:")]
                .iter()
                .any(|form| shows_word(line, form))
        });
        is_field || (is_named && !line.trim_start().starts_with("//"))
    };
    let lines = code.lines().enumerate().filter(|(_, line)| shows(line));
    lines.map(|(number, line)| format!("{file}:{}: {}", number + 1, line.trim())).collect()
}

/// Whether it stands there as a word of its own.
fn shows_word(line: &str, form: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends = |rest: &str| form.ends_with(['}', ':']) || !rest.starts_with(is_word);
    line.match_indices(form).any(|(at, _)| {
        // A question mark behind something is Rust's own.
        let before = line[..at].chars().next_back().is_none_or(|c| matches!(c, ' ' | '(' | '=' | ','));
        (before || form.starts_with('{')) && ends(&line[at + form.len()..])
    })
}

#[test]
fn no_address_of_a_client_reaches_the_log_as_it_is() {
    let found: Vec<String> = sources().iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(found.is_empty(), "use observe::remote_field:\n{}", found.join("\n"));
}

#[test]
fn what_would_show_one_is_found() {
    for line in [
        "tracing::warn!(%remote, \"x\");",
        "tracing::warn!(who = %peer.ip(), \"x\");",
        "tracing::warn!(\"a stranger at {remote}\");",
        "remote = origin.remote.map(tracing::field::display),",
        "tracing::debug!(?remote)",
    ] {
        assert_eq!(faults("frontend/x.rs", line).len(), 1, "{line}");
    }
    for line in ["remote = observe::remote_field(origin.remote),", "a % b", "let x = remote?;", "// %remote"]
    {
        assert!(faults("frontend/x.rs", line).is_empty(), "{line}");
    }
    assert!(faults("observe/x.rs", "%remote").is_empty());
}
