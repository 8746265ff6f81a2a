//! Reading the file: text → types → checks.

use std::path::Path;

use keydove_words::diagnostics::{Error, locate, parse, read};

use super::Config;
use super::checks::find_faults;

/// Where every setting is listed.
const PAGE: &str = "docs/portal.md";

impl Config {
    /// Reads and checks the file. The secret is not read.
    ///
    /// # Errors
    /// See [`Error`]; its text is ready to be shown.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::parse(path, &read(path)?)
    }

    /// The same from text; `path` is for messages only.
    ///
    /// # Errors
    /// [`Error::Faults`]
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let config: Self = parse(path, text, PAGE)?;
        match find_faults(&config) {
            faults if faults.is_empty() => Ok(config),
            faults => Err(locate(path, text, faults)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../packaging/portal/keydove-portal.toml");

    fn faults(text: &str) -> String {
        Config::parse(Path::new("p.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_file_is_good() {
        let config = Config::parse(Path::new("p.toml"), GOOD).unwrap();
        assert_eq!(config.name(), "example.org");
        assert_eq!(config.keycloak.backend(), &config.keycloak.issuer);
    }

    #[test]
    fn a_fault_shows_its_line_a_caret_and_what_to_do() {
        let text = GOOD.replace("https://account.example.org", "http://account.example.org/mail");
        assert!(faults(&format!("{GOOD}\n[odd]\n")).contains("docs/portal.md lists every setting"));
        let shown = faults(&text);
        assert!(shown.contains("p.toml:"), "{shown}");
        assert!(shown.contains("the portal needs a name of its own, without a path"), "{shown}");
        assert!(shown.contains("without TLS everybody on the way reads app passwords"), "{shown}");
        assert!(shown.contains("^^^^"), "{shown}");
    }

    #[test]
    fn each_setting_that_cannot_be_is_named() {
        for (good, bad, sentence) in [
            ("https://account.example.org", "account.example.org", "is no address such as"),
            ("/realms/mail", "/", "this names no realm"),
            ("https://sso.example.org", "http://sso.example.org", "can sign in as anybody"),
            ("[\"en\", \"de\"]", "[\"fr\"]", "unknown variant"),
            ("[\"en\", \"de\"]", "[]", "there must be a language"),
            ("[\"example.org\"]", "[]", "there must be a mail domain"),
            ("[\"example.org\"]", "[\"a b\"]", "this is no mail domain"),
            ("mail.example.org", "mail example", "this is no name of a server"),
            ("port = 993", "port = 0", "there is no port 0"),
            ("port = 993", "port = 99300", "invalid value"),
            (
                "client_secret_credential = \"client-secret\"",
                "client_secret = \"x\"",
                "unknown field `client_secret`",
            ),
            ("client_secret_credential = \"client-secret\"", "", "must come from one place"),
            ("\"127.0.0.1:8484\"", "\"8484\"", "no path of a socket"),
            ("[mail.smtp]", "[mail.pop3]", "people could not send mail"),
            (
                "#[oauth]",
                "[apple]\ncertificate_file = \"/x\"\n#",
                "the certificate's key must come from one place",
            ),
            (
                "#[oauth]",
                "[apple]\ncertificate_file = \"x\"\nkey_credential = \"k\"\n#",
                "this is no absolute path",
            ),
        ] {
            let text = GOOD.replace(good, bad);
            assert_ne!(text, GOOD, "{good}");
            let shown = faults(&text);
            assert!(shown.contains(sentence), "{bad}: {shown}");
        }
    }
}
