//! Apple's configuration profile: one mail account with its password, for macOS, iOS and iPadOS.

use askama::Template;
use sha2::{Digest, Sha256};

use crate::config::{Config, Server};
use crate::problem::Problem;

/// What stands in a profile.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// The mailbox.
    pub user: &'a str,
    /// The name for outgoing mail.
    pub display_name: &'a str,
    /// An app password.
    pub password: &'a str,
}

#[derive(Template)]
#[template(path = "apple.mobileconfig", escape = "html")]
struct Document<'a> {
    profile: Profile<'a>,
    name: &'a str,
    host: &'a str,
    account: String,
    whole: String,
    incoming: &'a Server,
    kind: &'static str,
    outgoing: &'a Server,
}

/// Writes a profile; `None` where the configuration has no server for incoming or outgoing mail.
///
/// # Errors
/// The page cannot be written.
pub fn profile(config: &Config, profile: Profile<'_>) -> Result<Option<String>, Problem> {
    let mail = &config.mail;
    let incoming = mail.imap.as_ref().map(|server| (server, "EmailTypeIMAP"));
    let incoming = incoming.or_else(|| mail.pop3.as_ref().map(|server| (server, "EmailTypePOP")));
    let (Some((incoming, kind)), Some(outgoing)) = (incoming, mail.smtp.as_ref()) else { return Ok(None) };
    let document = Document {
        profile,
        name: config.name(),
        host: &incoming.host,
        account: id("account", profile.user),
        whole: id("profile", profile.user),
        incoming,
        kind,
        outgoing,
    };
    Ok(Some(document.render()?))
}

/// The same for the same mailbox, so that a second profile replaces the first one.
fn id(what: &str, user: &str) -> String {
    let digest = Sha256::digest(format!("keydove-portal {what} {user}").as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02X}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn a_name_out_of_keycloak_stays_a_name() {
        let user = "alice@example.org";
        let hostile = Profile { user, display_name: "</string><key>x</key>", password: "kd1-&" };
        let text = profile(&shipped(), hostile).unwrap().unwrap();
        assert!(!text.contains("<key>x</key>") && text.contains("kd1-&#38;"), "{text}");
        assert!(text.contains("<integer>993</integer>") && text.contains("EmailTypeIMAP"));
        assert_eq!(text.matches("alice@example.org").count(), 5, "{text}");
    }

    #[test]
    fn a_second_profile_of_a_mailbox_replaces_the_first() {
        assert_eq!(id("profile", "a@b"), id("profile", "a@b"));
        assert_ne!(id("profile", "a@b"), id("account", "a@b"));
        assert_eq!(id("x", "y").len(), 36);
    }
}
