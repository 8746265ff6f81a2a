//! When something ends: a length of time from now, or a day.

use time::format_description::StaticFormatDescription;
use time::macros::{format_description, time};
use time::{Date, OffsetDateTime};

use crate::settings::Period;

const DAY: StaticFormatDescription = format_description!("[year]-[month]-[day]");
const MINUTE: StaticFormatDescription = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");

/// Seconds since 1970, by the machine's clock.
#[expect(clippy::disallowed_methods, reason = "a command's only look at the clock")]
pub(super) fn now() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_1970.map_or(0, |duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

/// Reads `90d`, `12h`, or `2027-01-31`, whose last second in UTC is meant; in seconds since 1970.
pub(super) fn parse_end(text: &str, now: i64) -> Result<i64, String> {
    let wrong = || format!("`{text}` is neither a length such as 90d or 12h nor a day such as 2027-01-31");
    let end = match Date::parse(text, DAY) {
        Ok(day) => day.with_time(time!(23:59:59)).assume_utc().unix_timestamp(),
        Err(_) => {
            let length = Period::try_from(text.to_owned()).map_err(|_| wrong())?.get().as_secs();
            i64::try_from(length).ok().and_then(|length| now.checked_add(length)).ok_or_else(wrong)?
        }
    };
    if OffsetDateTime::from_unix_timestamp(end).is_err() {
        return Err(wrong());
    }
    if end > now { Ok(end) } else { Err(format!("`{text}` has passed already")) }
}

/// Writes a time of the database, in UTC.
pub(super) fn show(seconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
    time.and_then(|time| time.format(MINUTE).ok()).unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use super::{parse_end, show};

    /// 2026-01-01 00:00:00 UTC
    const NOW: i64 = 1_767_225_600;

    #[test]
    fn a_length_and_a_day_are_ends() {
        assert_eq!(parse_end("90d", NOW), Ok(NOW + 90 * 86_400));
        assert_eq!(parse_end("12h", NOW), Ok(NOW + 43_200));
        assert_eq!(parse_end("2026-01-01", NOW), Ok(NOW + 86_399));
        assert_eq!(show(parse_end("2027-01-31", NOW).unwrap()), "2027-01-31 23:59 UTC");
        assert_eq!(show(i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn what_has_passed_or_is_no_time_is_no_end() {
        for wrong in [
            "",
            "never",
            "0",
            "2025-12-31",
            "2027-02-30",
            "2027-1-1",
            "31.01.2027",
            "90",
            "-1d",
            "999999999999999d",
        ] {
            assert!(parse_end(wrong, NOW).is_err(), "{wrong}");
        }
    }
}
