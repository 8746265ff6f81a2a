//! What Dovecot's proxies are told where keydove stands in the place of Dovecot's own auth server.
//!
//! That one would read `proxy_maybe=y`, compare `host` with its own addresses, look host names up, and then say `proxy` or
//! nothing. Nobody does that here but keydove, so these are the fields that come out of it.

use super::escape;
use crate::auth::{MailHost, ProxiedLogin};

/// ` proxy host=… [hostip=…] [port=…] [ssl=…]`, each with its TAB.
pub(super) fn write_proxy(host: &MailHost, out: &mut Vec<u8>) {
    // Bare: 2.3 compares the whole parameter.
    out.extend_from_slice(b"\tproxy");
    host.each_field(|name, value| write_field(name, value.as_bytes(), out));
}

/// The same of a login, with what the proxy logs in by.
pub(super) fn write_proxied_login(login: &ProxiedLogin, master_user: Option<&str>, out: &mut Vec<u8>) {
    write_proxy(&login.host, out);
    if let Some(master_user) = master_user {
        write_field("master", master_user.as_bytes(), out);
    }
    if let Some(mechanism) = login.mechanism {
        write_field("proxy_mech", mechanism.as_bytes(), out);
    }
    write_field("pass", login.pass.expose(), out);
}

fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\t');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    escape(value, out);
}
