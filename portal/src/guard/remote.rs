//! Whose address a request comes from, and what the browser is.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use keydove_words::settings::Network;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at the port.
    At(IpAddr),
    /// The proxy at the Unix socket, which only it may open.
    Proxy,
    /// Nobody, in tests.
    Nobody,
}

/// The browser's address, as far as it can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote(pub Option<IpAddr>);

impl Remote {
    /// The peer's own address; where the peer is a proxy that is trusted, the last address in `X-Forwarded-For` that is
    /// none of a trusted proxy. What stands before that, anybody may have written.
    #[must_use]
    pub fn find(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let own = match peer {
            Peer::At(address) => Some(address.to_canonical()),
            Peer::Proxy | Peer::Nobody => None,
        };
        if peer == Peer::Nobody || own.is_some_and(|address| !is_trusted(address)) {
            return Self(own);
        }
        let lines: Vec<_> =
            headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok()).collect();
        let mut nearest = own;
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Ok(address) = hop.trim().trim_matches(['[', ']']).parse::<IpAddr>() else { break };
            nearest = Some(address.to_canonical());
            if !is_trusted(address.to_canonical()) {
                break;
            }
        }
        Self(nearest)
    }
}

/// What the browser is, in a few words of ours: nothing of what it sends is shown.
#[must_use]
pub fn browser_name(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    // The order counts: each of them also claims to be those below it.
    let browsers = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Vivaldi", "Vivaldi"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    match (named(&browsers), named(&systems)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn forwarded_addresses_count_from_trusted_proxies_only() {
        let trusted = [Network::parse("127.0.0.1").unwrap(), Network::parse("10.0.0.0/8").unwrap()];
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (peer, forwarded, remote) in [
            (Peer::At(address("192.0.2.9")), Some("203.0.113.1"), Some("192.0.2.9")),
            (Peer::At(address("127.0.0.1")), Some("203.0.113.1"), Some("203.0.113.1")),
            (Peer::At(address("::ffff:127.0.0.1")), Some("203.0.113.1"), Some("203.0.113.1")),
            (Peer::At(address("127.0.0.1")), Some("198.51.100.7, 203.0.113.1"), Some("203.0.113.1")),
            (Peer::At(address("127.0.0.1")), Some("203.0.113.1, 10.1.2.3"), Some("203.0.113.1")),
            (Peer::At(address("127.0.0.1")), Some("203.0.113.1, nonsense"), Some("127.0.0.1")),
            (Peer::At(address("127.0.0.1")), None, Some("127.0.0.1")),
            (Peer::Proxy, Some("2001:db8::7"), Some("2001:db8::7")),
            (Peer::Proxy, None, None),
            (Peer::Nobody, Some("203.0.113.1"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(forwarded) = forwarded {
                headers.insert("x-forwarded-for", HeaderValue::from_static(forwarded));
            }
            let expected = Remote(remote.map(address));
            assert_eq!(Remote::find(peer, &headers, &trusted), expected, "{peer:?} {forwarded:?}");
        }
    }

    #[test]
    fn a_browser_is_named_in_our_words_only() {
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0",
                "Edge, Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1",
                "Safari, iPhone",
            ),
            ("<script>alert(1)</script>", "?"),
            ("", "?"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_static(agent));
            assert_eq!(browser_name(&headers), name);
        }
    }
}
