//! A mailbox that lives on another machine, as Dovecot's passdb fields tell it.

use std::net::IpAddr;

use super::Secret;

/// Where Dovecot's proxy finds the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Its name in `[[backend]]`.
    pub name: Box<str>,
    /// Its address or host name, for the field `host`.
    pub host: Box<str>,
    /// The address of the host name, for the field `hostip`; `None` where `host` is an address.
    pub address: Option<IpAddr>,
    /// The port, where it is not Dovecot's own default of the service.
    pub port: Option<u16>,
    /// Whether and how the link is encrypted: a field and its value.
    pub tls: Option<(&'static str, &'static str)>,
}

/// A login that Dovecot's proxy has to pass on.
#[derive(Debug)]
pub struct ProxiedLogin {
    /// Where to.
    pub host: MailHost,
    /// The password or token that was right, with which the proxy logs in there.
    pub pass: Secret,
    /// The mechanism that carries it, where it is not a plain password.
    pub mechanism: Option<&'static str>,
}

impl MailHost {
    /// The fields of the passdb answer but for `proxy` and `proxy_maybe`, in the order in which they are sent.
    pub fn each_field(&self, mut put: impl FnMut(&str, &str)) {
        put("host", &self.host);
        if let Some(address) = self.address {
            put("hostip", &address.to_string());
        }
        if let Some(port) = self.port {
            put("port", &port.to_string());
        }
        if let Some((name, value)) = self.tls {
            put(name, value);
        }
    }
}

impl Clone for ProxiedLogin {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), pass: self.pass.duplicate(), mechanism: self.mechanism }
    }
}

impl PartialEq for ProxiedLogin {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host && self.mechanism == other.mechanism && self.pass.matches(other.pass.expose())
    }
}

impl Eq for ProxiedLogin {}
