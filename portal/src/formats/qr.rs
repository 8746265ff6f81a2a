//! The QR code that Thunderbird for Android reads: an account with its password (its "Export for Mobile", version 1).

use std::fmt::Write;

use qrcodegen::{QrCode as Modules, QrCodeEcc};
use serde_json::json;
use zeroize::Zeroizing;

use crate::config::{Config, Server, Tls};

/// White modules around the code, which readers need.
const BORDER: i32 = 4;
/// `PasswordCleartext`
const PASSWORD: u8 = 1;

/// A code as a page draws it.
#[derive(Debug)]
pub struct QrCode {
    /// Width and height in modules, with the border.
    pub size: i32,
    /// The dark modules, as the `d` of an SVG path. It holds the password.
    pub path: Zeroizing<String>,
}

/// The code of an account; `None` where the configuration lacks a server, or where all of it is too long for a code.
#[must_use]
pub fn account_code(config: &Config, user: &str, display_name: &str, password: &str) -> Option<QrCode> {
    let mail = &config.mail;
    let incoming = mail.imap.as_ref().map(|server| (0, server)).or_else(|| Some((1, mail.pop3.as_ref()?)));
    let ((protocol, incoming), outgoing) = (incoming?, mail.smtp.as_ref()?);
    // Readers skip addresses that are not ASCII.
    if !user.is_ascii() {
        return None;
    }
    let account = json!([
        1,
        [1, 1],
        [protocol, incoming.host, incoming.port, security(incoming), PASSWORD, user, user, password],
        [[
            [0, outgoing.host, outgoing.port, security(outgoing), PASSWORD, user, password],
            [user, display_name]
        ]]
    ]);
    let text = Zeroizing::new(account.to_string());
    let modules = Modules::encode_text(&text, QrCodeEcc::Low).ok()?;
    Some(QrCode { size: modules.size() + 2 * BORDER, path: draw(&modules) })
}

fn security(server: &Server) -> u8 {
    match server.tls {
        Tls::Starttls => 2,
        Tls::Implicit => 3,
    }
}

/// One rectangle for each run of dark modules.
fn draw(modules: &Modules) -> Zeroizing<String> {
    let mut path = Zeroizing::new(String::with_capacity(32 * 1024));
    for y in 0..modules.size() {
        let mut x = 0;
        while x < modules.size() {
            let start = x;
            while x < modules.size() && modules.get_module(x, y) {
                x += 1;
            }
            if x > start {
                // Writing into a text does not fail.
                let _ = write!(path, "M{} {}h{}v1h-{}z", start + BORDER, y + BORDER, x - start, x - start);
            }
            x += 1;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn a_code_is_drawn_with_its_border() {
        let password = "kd17-a3x9kq-7hmw2p-zz4c8t-n5vbeg";
        let code = account_code(&shipped(), "alice@example.org", "Alice", password).unwrap();
        assert!(code.size > 40 && code.size <= 177 + 2 * BORDER);
        // The finder pattern's first row: seven dark modules behind the border.
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "{}", &code.path[..40]);
    }

    #[test]
    fn what_fits_into_no_code_has_none() {
        let long = "x".repeat(3000);
        assert!(account_code(&shipped(), "alice@example.org", &long, "pw").is_none());
        assert!(account_code(&shipped(), "müller@example.org", "M", "pw").is_none());
    }
}
