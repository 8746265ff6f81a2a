//! The form of the app passwords that keydove makes: `kd17-a3x9kq-7hmw2p-zz4c8t-n5vbeg`.
//!
//! The number is that of the row in `app_passwd`, so that a login needs one row and one hash, however many app
//! passwords a mailbox has. It is no secret. The rest is the secret:
//! 24 letters and digits of 5 random bits each.

use super::Secret;

/// Random bytes that a new app password needs: 120 bits.
pub const APP_PASSWORD_BYTES: usize = 15;

const BEGINNING: &[u8] = b"kd";
/// Lower-case letters and digits without `0`, `1`, `l` and `o`, which are mistaken for each other.
const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_LENGTH: usize = 6;

/// Writes the app password of a row.
///
/// `row_id` is the number that the database gave the row, at least 1. The bytes must be random, and used for
/// nothing else.
#[must_use]
pub fn make_app_password(row_id: i64, random: &[u8; APP_PASSWORD_BYTES]) -> Secret {
    // All at once, so that no copy is left behind by growing.
    let mut text = Vec::with_capacity(64);
    text.extend_from_slice(BEGINNING);
    text.extend_from_slice(row_id.to_string().as_bytes());
    for position in 0..GROUPS * GROUP_LENGTH {
        if position % GROUP_LENGTH == 0 {
            text.push(b'-');
        }
        text.push(SYMBOLS[five_bits(random, position)]);
    }
    Secret::new(text)
}

/// The number of the row that an app password names, if the password has exactly the form of those that keydove
/// makes. Whether the row is there, and whether the password is right, shows later.
#[must_use]
pub fn row_id(password: &[u8]) -> Option<i64> {
    let rest = password.strip_prefix(BEGINNING)?;
    let end = rest.iter().position(|byte| *byte == b'-')?;
    let (digits, groups) = rest.split_at(end);
    let groups_fit = groups.len() == GROUPS * (GROUP_LENGTH + 1)
        && groups
            .chunks(GROUP_LENGTH + 1)
            .all(|group| group[0] == b'-' && group[1..].iter().all(|symbol| SYMBOLS.contains(symbol)));
    if !groups_fit || !digits.iter().all(u8::is_ascii_digit) || digits.first() == Some(&b'0') {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The number of that many bits, counted in fives from the first byte's highest.
fn five_bits(bytes: &[u8; APP_PASSWORD_BYTES], position: usize) -> usize {
    let first_bit = position * 5;
    let (byte, offset) = (first_bit / 8, first_bit % 8);
    let next = bytes.get(byte + 1).copied().unwrap_or_default();
    let two_bytes = u16::from_be_bytes([bytes[byte], next]);
    usize::from((two_bytes >> (11 - offset)) & 0x1F)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &[u8] = b"kd17-a3x9kq-7hmw2p-zz4c8t-n5vbeg";

    #[test]
    fn the_form_is_read_exactly() {
        assert_eq!(row_id(GOOD), Some(17));
        let text = std::str::from_utf8(GOOD).unwrap();
        for wrong in [
            "".to_owned(),
            "kd".to_owned(),
            "kd17".to_owned(),
            format!("{text} "),
            format!(" {text}"),
            format!("{text}\n"),
            format!("{text}-aaaaaa"),
            text.to_uppercase(),
            text.replace("kd17", "kd"),
            text.replace("kd17", "kd0"),
            text.replace("kd17", "kd017"),
            text.replace("kd17", "kd+17"),
            text.replace("kd17", "kd-17"),
            text.replace("kd17", "kd17x"),
            text.replace("kd17", "kd9223372036854775808"),
            text.replace("kd", ""),
            text.replace('-', ""),
            text.replace('-', "_"),
            text.replace("a3x9kq-7", "a3x9kq7-"),
            text[..text.len() - 1].to_owned(),
            text.replace('a', "0"),
            text.replace('a', "1"),
            text.replace('a', "l"),
            text.replace('a', "o"),
            text.replace('a', "ä"),
        ] {
            assert_eq!(row_id(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(row_id(text.replace("kd17", "kd9223372036854775807").as_bytes()), Some(i64::MAX));
        assert_eq!(row_id(b"\xFF\xFE"), None);
    }

    #[test]
    fn each_five_bits_are_one_symbol() {
        let lowest = make_app_password(1, &[0; APP_PASSWORD_BYTES]);
        assert_eq!(lowest.expose(), b"kd1-aaaaaa-aaaaaa-aaaaaa-aaaaaa");
        let highest = make_app_password(2, &[0xFF; APP_PASSWORD_BYTES]);
        assert_eq!(highest.expose(), b"kd2-999999-999999-999999-999999");
        // 00000 00001 00010 ... 10111: every position has its own five bits.
        let counting =
            [0x00, 0x44, 0x32, 0x14, 0xC7, 0x42, 0x54, 0xB6, 0x35, 0xCF, 0x84, 0x65, 0x3A, 0x56, 0xD7];
        let text = make_app_password(3, &counting);
        assert_eq!(text.expose(), b"kd3-abcdef-ghijkm-npqrst-uvwxyz");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_made_names_its_row(row in 1..=i64::MAX, random: [u8; APP_PASSWORD_BYTES]) {
            let made = make_app_password(row, &random);
            prop_assert_eq!(row_id(made.expose()), Some(row));
        }

        #[test]
        fn different_bits_are_different_passwords(
            one: [u8; APP_PASSWORD_BYTES],
            other: [u8; APP_PASSWORD_BYTES],
        ) {
            let (first, second) = (make_app_password(1, &one), make_app_password(1, &other));
            prop_assert_eq!(first.matches(second.expose()), one == other);
        }

        #[test]
        fn nothing_else_of_the_form_is_read(text in "kd[0-9a-z]{0,4}(-[0-9a-z]{5,7}){3,5}") {
            if let Some(row) = row_id(text.as_bytes()) {
                let expected = format!("kd{row}-");
                prop_assert!(text.starts_with(&expected) && text.len() == expected.len() + 27);
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = row_id(&bytes);
        }
    }
}
