//! Dates without a time zone of the reader: the server does not know it. The page's script shows the reader's own.

use time::OffsetDateTime;

use super::Language;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

pub(super) fn moment(language: Language, at: u64) -> String {
    match read(at) {
        Some(time) => format!("{}, {:02}:{:02} UTC", day(language, at), time.hour(), time.minute()),
        None => "?".to_owned(),
    }
}

pub(super) fn day(language: Language, at: u64) -> String {
    let Some(time) = read(at) else { return "?".to_owned() };
    let month = u8::from(time.month());
    match language {
        Language::English => format!("{} {} {}", time.day(), MONTHS[usize::from(month) - 1], time.year()),
        Language::German => format!("{:02}.{month:02}.{}", time.day(), time.year()),
    }
}

fn read(at: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(at).ok()?).ok()
}
