//! Sizes as an administrator writes them: `5GiB`, `500MiB`, or a plain number of MiB.

use crate::backend::sql::DomainSettings;

const MIB: i64 = 1_048_576;
const UNITS: [(&str, i64); 3] = [("mib", 1), ("gib", 1024), ("tib", 1024 * 1024)];
const MOST_MIB: i64 = DomainSettings::MOST_MIB;

/// Reads a size; in MiB.
pub(super) fn parse_mib(text: &str) -> Result<i64, String> {
    let (number, unit) = split(text)?;
    bounded(text, number.checked_mul(unit.unwrap_or(1)))
}

/// Reads a size that is no size without its unit; in bytes.
pub(super) fn parse_bytes(text: &str) -> Result<i64, String> {
    match split(text)? {
        (0, _) => Ok(0),
        (_, None) => Err(format!("`{text}` could be bytes or MiB; write {text}MiB, for instance")),
        (number, Some(unit)) => bounded(text, number.checked_mul(unit)).map(|mib| mib * MIB),
    }
}

fn split(text: &str) -> Result<(i64, Option<i64>), String> {
    let wrong = || format!("`{text}` is no size such as 5GiB, 500MiB or 500 (which is MiB)");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim_start_matches(' ').to_ascii_lowercase();
    if unit.is_empty() {
        return Ok((number, None));
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    known.map(|(_, mib)| (number, Some(*mib))).ok_or_else(wrong)
}

fn bounded(text: &str, mib: Option<i64>) -> Result<i64, String> {
    mib.filter(|mib| *mib <= MOST_MIB).ok_or_else(|| format!("`{text}` is more than 1 EiB"))
}

/// Writes a size in the largest unit that makes it a whole number.
pub(super) fn show_mib(mib: i64) -> String {
    match mib {
        0 => "0".to_owned(),
        _ if mib % 1024 == 0 => format!("{}GiB", mib / 1024),
        _ => format!("{mib}MiB"),
    }
}

/// Writes a mailbox's quota in bytes.
pub(super) fn show_quota(bytes: i64) -> String {
    match bytes {
        0 => "unlimited".to_owned(),
        _ if bytes % MIB == 0 => show_mib(bytes / MIB),
        _ => format!("{bytes}B"),
    }
}

/// Writes how much is used, rounded to the nearest MiB.
pub(super) fn show_used(bytes: i64) -> String {
    match bytes {
        1..MIB => "<1MiB".to_owned(),
        _ => show_mib(bytes.saturating_add(MIB / 2) / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, mib) in
            [("0", 0), ("500", 500), ("500MiB", 500), ("5GiB", 5120), ("5 gib", 5120), ("2TiB", 2_097_152)]
        {
            assert_eq!(parse_mib(text), Ok(mib), "{text}");
        }
        for wrong in
            ["", "GiB", "5GB", "5G", "-1", "+1", "1.5GiB", "5GiBs", "9999999999TiB", "99999999999999999999"]
        {
            assert!(parse_mib(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            (show_mib(0), show_mib(500), show_mib(5120)),
            ("0".into(), "500MiB".into(), "5GiB".into())
        );
        assert_eq!(show_quota(0), "unlimited");
        assert_eq!((show_quota(102_400), show_quota(MIB)), ("102400B".into(), "1MiB".into()));
        assert_eq!(
            (show_used(0), show_used(1), show_used(MIB * 3 / 2)),
            ("0".into(), "<1MiB".into(), "2MiB".into())
        );
    }

    #[test]
    fn bytes_are_not_guessed() {
        assert_eq!(parse_bytes("1GiB"), Ok(1_073_741_824));
        assert_eq!(parse_bytes("0"), Ok(0));
        assert!(parse_bytes("1073741824").unwrap_err().contains("bytes or MiB"));
    }
}
