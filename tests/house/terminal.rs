//! What others chose commands no terminal: the commands speak through `cli/output.rs`, which shows it as escapes.

use crate::code;

/// By which a text gets to the terminal past `say` and `say_error`.
const WAYS: [&str; 8] = [
    "print!(",
    "println!(",
    "eprint!(",
    "eprintln!(",
    "stdout().lock",
    "stderr().lock",
    "stdout(),",
    "stderr(),",
];
/// Who may, and what they write: numbers and words of their own, over and over on one line.
const DRAWN: [(&str, &str); 2] = [("src/cli/bench.rs", "Progress"), ("src/cli/sync.rs", "fn draw(")];
/// All that they may write with them.
const NUMBERS_ONLY: [&str; 3] = [".address", ".user", ".name"];

#[test]
fn the_commands_print_nothing_past_what_makes_it_harmless() {
    for (file, text) in code::below("src/cli") {
        if file == "src/cli/output.rs" {
            continue;
        }
        let may_draw = DRAWN.iter().find(|(allowed, _)| *allowed == file);
        // A name with more before it, such as `writeln!(`, is another macro.
        let is_way = |line: &str, way: &str| {
            line.match_indices(way)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        for (number, line) in text.lines().enumerate() {
            let way = WAYS.iter().find(|way| is_way(line, way));
            assert!(way.is_none() || may_draw.is_some(), "{file}:{}: {}", number + 1, line.trim());
        }
        if let Some((_, place)) = may_draw {
            let (_, drawing) = text.split_once(place).expect(place);
            let end = drawing.find("\n}\n").unwrap_or(drawing.len());
            for word in NUMBERS_ONLY {
                assert!(!drawing[..end].contains(word), "{file}: `{place}` draws {word}, which others chose");
            }
        }
    }
}

/// `control` writes as it is: what it is given must be a constant of the program.
#[test]
fn what_commands_a_terminal_is_a_constant() {
    for (file, text) in code::below("src/cli") {
        for (_, rest) in text.match_indices("control(").map(|(at, _)| text.split_at(at + "control(".len())) {
            let argument = rest.split(')').next().unwrap_or_default();
            let is_definition = argument.contains(": &str");
            let is_constant =
                !argument.is_empty() && argument.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let is_another = text[..text.len() - rest.len()].ends_with(".control(") || argument.contains('&');
            assert!(is_definition || is_constant || is_another, "{file}: control({argument})");
        }
    }
}
