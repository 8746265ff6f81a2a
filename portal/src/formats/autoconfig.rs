//! Thunderbird's autoconfiguration file (draft-ietf-mailmaint-autoconfig), which many other programs read too.

use askama::Template;

use crate::config::{Config, Oauth, Server, Tls};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "autoconfig.xml", escape = "html")]
struct Document<'a> {
    domains: &'a [String],
    name: &'a str,
    help: Option<&'a str>,
    incoming: Vec<(&'static str, &'a Server)>,
    outgoing: Option<&'a Server>,
    oauth: Option<(&'a Oauth, &'a str)>,
}

/// Writes it. The address that was asked for does not matter: programs put it in themselves.
pub(super) fn write(config: &Config) -> Result<String, Problem> {
    let servers = |wanted: &'static str| config.mail.servers().find(|(name, ..)| *name == wanted);
    let incoming = ["imap", "pop3"].into_iter().filter_map(|name| Some((name, servers(name)?.1)));
    let document = Document {
        domains: &config.mail.domains,
        name: config.name(),
        help: config.portal.help.as_deref().filter(|help| help.starts_with("http")),
        incoming: incoming.collect(),
        outgoing: config.mail.smtp.as_ref(),
        oauth: config.oauth.as_ref().map(|oauth| (oauth, config.keycloak.issuer.as_str())),
    };
    Ok(document.render()?)
}

/// How the file names it.
fn socket_type(server: &Server) -> &'static str {
    match server.tls {
        Tls::Implicit => "SSL",
        Tls::Starttls => "STARTTLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn oauth_stands_before_the_password_and_names_escape() {
        let mut config = shipped();
        config.portal.name = Some("Müller & <Söhne>".to_owned());
        let text = write(&config).unwrap();
        let (oauth, password) = (text.find(">OAuth2<").unwrap(), text.find("password-cleartext").unwrap());
        assert!(oauth < password);
        assert!(text.contains("<clientID>thunderbird</clientID>") && text.contains("%EMAILADDRESS%"));
        assert!(!text.contains("<Söhne>") && !text.contains("& "), "{text}");
        config.oauth = None;
        let text = write(&config).unwrap();
        assert!(!text.contains("OAuth2") && !text.contains("oAuth2"), "{text}");
        assert!(text.contains("<socketType>SSL</socketType>"));
    }
}
