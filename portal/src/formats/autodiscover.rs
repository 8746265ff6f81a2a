//! Outlook's Autodiscover: the old XML, and the JSON that says where the XML is.

use askama::Template;
use keydove_words::auth::Username;
use serde_json::json;

use crate::config::{Config, Server, Tls};
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "autodiscover.xml", escape = "html")]
struct Document<'a> {
    user: Option<&'a str>,
    servers: Vec<(&'static str, &'a Server)>,
}

/// Writes the answer to a form. Whether the address exists makes no difference.
pub(super) fn write(config: &Config, form: &str) -> Result<String, Problem> {
    let user = asked_address(form).and_then(|text| Username::parse(text.as_bytes()).ok());
    let named = |service| match service {
        "imap" => Some("IMAP"),
        "pop3" => Some("POP3"),
        "smtp" => Some("SMTP"),
        _ => None,
    };
    let servers = config.mail.servers().filter_map(|(service, server, _)| Some((named(service)?, server)));
    let document = Document { user: user.as_ref().map(Username::as_str), servers: servers.collect() };
    Ok(document.render()?)
}

/// The JSON that leads to the XML. The address is that of the configuration, whatever name was asked for.
pub(super) fn address(config: &Config) -> String {
    let url = format!("{}{}", config.portal.public_url, super::AUTODISCOVER[0]);
    json!({"Protocol": "AutodiscoverV1", "Url": url}).to_string()
}

/// The address in a form. No XML is parsed: nothing in it can be expanded or loaded.
fn asked_address(form: &str) -> Option<&str> {
    let (_, rest) = form.split_once("<EMailAddress>")?;
    let (address, _) = rest.split_once("</EMailAddress>")?;
    Some(address.trim())
}

/// How Outlook names it.
fn encryption(server: &Server) -> &'static str {
    match server.tls {
        Tls::Implicit => "SSL",
        Tls::Starttls => "TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shipped;

    #[test]
    fn the_answer_names_the_servers_and_nothing_that_was_sent_breaks_out() {
        let form = |address: &str| format!("<Request><EMailAddress>{address}</EMailAddress></Request>");
        let text = write(&shipped(), &form("Alice@example.org")).unwrap();
        assert!(
            text.contains("<LoginName>alice@example.org</LoginName>") && text.contains("<Port>993</Port>")
        );
        for hostile in ["<x/>@example.org", "a&b;@example.org", "]]>", "", "nobody"] {
            let text = write(&shipped(), &form(hostile)).unwrap();
            assert!(!text.contains("<x/>") && !text.contains("a&b;"), "{text}");
        }
        for broken in ["", "<EMailAddress>", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"] {
            assert!(write(&shipped(), broken).unwrap().contains("<Server>mail.example.org</Server>"));
        }
    }

    #[test]
    fn the_json_leads_to_the_configured_address() {
        let expected = r#"{"Protocol":"AutodiscoverV1","Url":"https://account.example.org/autodiscover/autodiscover.xml"}"#;
        assert_eq!(address(&shipped()), expected);
    }
}
