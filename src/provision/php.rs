//! Values as PHP reads and writes them, because mailcow does: loose numbers, and JSON with its own escapes.

use std::fmt::Write as _;

use serde_json::Value;

/// `json_encode` of a text: `"`, `\` and `/` behind a backslash, everything outside ASCII as UTF-16 escapes.
#[must_use]
pub fn json_encode(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '/' => json.extend(['\\', c]),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            ' '..='\u{7f}' => json.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
    json.push('"');
    json
}

/// `intval`: a number cut down, the number that a text begins with, else 0.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; no setting is that large")]
pub(super) fn intval(value: &Value) -> i64 {
    match value {
        Value::Null => 0,
        Value::Bool(value) => i64::from(*value),
        Value::Number(number) => number.as_i64().or(number.as_f64().map(|number| number as i64)).unwrap_or(0),
        Value::String(text) => leading_number(text) as i64,
        Value::Array(values) => i64::from(!values.is_empty()),
        Value::Object(values) => i64::from(!values.is_empty()),
    }
}

/// `strval`.
pub(super) fn strval(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "1".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => "Array".to_owned(),
    }
}

/// `$value != 0`: a text that is no number differs from 0.
pub(super) fn differs_from_zero(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => text.trim_matches(SPACE).parse::<f64>() != Ok(0.0),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// `$one == $other` of two texts: two that are numbers are compared as numbers.
pub(super) fn are_loosely_equal(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (numeric(one), numeric(other)) {
        (Some(Number::Whole(one)), Some(Number::Whole(other))) => one == other,
        // Two whole numbers that no integer holds are only equal if they are the same text.
        (Some(Number::TooLong(_)), Some(Number::TooLong(_))) | (None, _) | (_, None) => false,
        (Some(one), Some(other)) => one.as_float().total_cmp(&other.as_float()).is_eq(),
    }
}

/// A text that is a number from its beginning to its end, blanks aside.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(i64),
    /// Digits, and more than an integer holds.
    TooLong(f64),
    Broken(f64),
}

impl Number {
    #[expect(clippy::cast_precision_loss, reason = "PHP compares a whole number with a broken one so, too")]
    fn as_float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            // -0 is 0.
            Self::TooLong(number) | Self::Broken(number) => number + 0.0,
        }
    }
}

fn numeric(text: &str) -> Option<Number> {
    let text = text.trim_matches(SPACE);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole {
        return text.parse().map(Number::Whole).or_else(|_| text.parse().map(Number::TooLong)).ok();
    }
    // Rust also reads words such as `inf`.
    let may_be = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let begins = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (begins && digits.bytes().all(may_be)).then(|| text.parse().ok().map(Number::Broken))?
}

const SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];

fn leading_number(text: &str) -> f64 {
    let text = text.trim_start_matches(SPACE);
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let end = text.find(|c| !numeric(c)).unwrap_or(text.len());
    // The longest beginning that is a number; `1-2` begins with 1, `e5` with none.
    (1..=end).rev().find_map(|end| text[..end].parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The right-hand sides are the output of PHP 8.2.
    #[test]
    fn texts_are_escaped_as_php_escapes_them() {
        for (text, json) in [
            ("{}", r#""{}""#),
            (r#"{"tags":["a/b","ü"],"quota":0}"#, r#""{\"tags\":[\"a\/b\",\"\u00fc\"],\"quota\":0}""#),
            (
                r#"{"tags":["\\/","\u00fc","😀"],"quota":"1"}"#,
                r#""{\"tags\":[\"\\\\\/\",\"\\u00fc\",\"\ud83d\ude00\"],\"quota\":\"1\"}""#,
            ),
            ("\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}\""),
            ("<>&'", "\"<>&'\""),
            ("\u{2028}\u{2029}\u{0}", r#""\u2028\u2029\u0000""#),
        ] {
            assert_eq!(json_encode(text), json);
        }
    }

    #[test]
    fn numbers_are_read_loosely() {
        for (value, number) in [
            (json!(1), 1),
            (json!("1"), 1),
            (json!(" 12abc"), 12),
            (json!("1e3"), 1000),
            (json!("1-2"), 1),
            (json!("-7"), -7),
            (json!(1.9), 1),
            (json!("1.9"), 1),
            (json!(true), 1),
            (json!(null), 0),
            (json!("abc"), 0),
            (json!(""), 0),
            (json!("e5"), 0),
            (json!("ü1"), 0),
            (json!([]), 0),
            (json!([0]), 1),
        ] {
            assert_eq!(intval(&value), number, "{value}");
        }
        for zero in [json!(0), json!("0"), json!("0.0"), json!(" 0"), json!(null), json!(false)] {
            assert!(!differs_from_zero(&zero), "{zero}");
        }
        for other in [json!(1), json!("1"), json!("2"), json!("x"), json!(""), json!(true), json!([])] {
            assert!(differs_from_zero(&other), "{other}");
        }
    }

    /// Answers of PHP 8.2.
    #[test]
    fn texts_that_are_numbers_are_compared_as_numbers() {
        for (one, other) in [
            ("gold", "gold"),
            ("1", "01"),
            ("1", "1.0"),
            ("10", "1e1"),
            (" 1", "1 "),
            ("+1", "1"),
            ("0", "-0"),
            (".5", "0.5"),
            ("1.", "1"),
            ("9223372036854775808", "9223372036854775808.0"),
        ] {
            assert!(are_loosely_equal(one, other) && are_loosely_equal(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("gold", "Gold"),
            ("gold", "gold "),
            ("1", "1x"),
            ("1", ""),
            ("", " "),
            ("0", "abc"),
            ("1", "2"),
            ("inf", "infinity"),
            ("e5", "0"),
            ("1", "- 1"),
            ("9223372036854775808", "9223372036854775809"),
        ] {
            assert!(!are_loosely_equal(one, other) && !are_loosely_equal(other, one), "{one} {other}");
        }
    }

    #[test]
    fn texts_of_values() {
        for (value, text) in [(json!(1), "1"), (json!("x"), "x"), (json!(true), "1"), (json!(null), "")] {
            assert_eq!(strval(&value), text);
        }
    }
}
