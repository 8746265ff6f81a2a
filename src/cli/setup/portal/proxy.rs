//! What a proxy with TLS before the portal has to say.

use serde::Deserialize;

use super::super::super::storage::Failure;
use super::wishes::Wishes;

/// Which proxy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Proxy {
    /// nginx on this machine.
    Nginx,
    /// Caddy on this machine, which fetches certificates by itself.
    Caddy,
    /// mailcow's nginx, in its container.
    Mailcow,
}

/// Below these names of a mail domain mail programs look for their settings.
const PREFIXES: [&str; 3] = ["autoconfig", "autodiscover", "ua-auto-config"];

impl Proxy {
    /// The one that was said, or those that could be meant.
    pub(super) fn chosen(said: Option<Self>, is_mailcow: bool) -> Result<Vec<Self>, Failure> {
        match said {
            Some(Self::Mailcow) if !is_mailcow => Err(Failure::Usage(
                "--proxy mailcow is for a mailcow on this machine; --mailcow FOLDER says where it is"
                    .to_owned(),
            )),
            Some(one) => Ok(vec![one]),
            None if is_mailcow => Ok(vec![Self::Mailcow]),
            None => Ok(vec![Self::Nginx, Self::Caddy]),
        }
    }
}

/// What to do about the proxy.
pub(super) fn advice(wishes: &Wishes) -> String {
    let parts = wishes.proxies.iter().map(|proxy| match proxy {
        Proxy::Nginx => format!(
            "For nginx, in /etc/nginx/sites-enabled/keydove-portal (with the paths of your certificate):\n\n{}",
            nginx(wishes)
        ),
        Proxy::Caddy => format!("For Caddy, in /etc/caddy/Caddyfile:\n\n{}", caddy(wishes)),
        Proxy::Mailcow => of_mailcow(wishes),
    });
    let parts: Vec<_> = parts.collect();
    format!("Put a proxy with TLS before {}. {}", wishes.listen, parts.join("\n"))
}

/// The portal's name, and those at which mail programs ask.
fn names(wishes: &Wishes) -> Vec<String> {
    let of_domain = |domain: &String| PREFIXES.map(|prefix| format!("{prefix}.{domain}"));
    std::iter::once(wishes.host()).chain(wishes.domains.iter().flat_map(of_domain)).collect()
}

fn nginx(wishes: &Wishes) -> String {
    server(
        wishes,
        &names(wishes).join(" "),
        "listen 443 ssl;\n    listen [::]:443 ssl;",
        ["/etc/ssl/account.pem", "/etc/ssl/account.key"],
    )
}

fn server(wishes: &Wishes, names: &str, listen: &str, [certificate, key]: [&str; 2]) -> String {
    format!(
        "server {{\n    {listen}\n    server_name {names};\n    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n    \
         location / {{\n        proxy_pass http://{};\n        proxy_set_header X-Forwarded-For $remote_addr;\n    }}\n}}\n",
        wishes.listen
    )
}

fn caddy(wishes: &Wishes) -> String {
    format!("{} {{\n    reverse_proxy {}\n}}\n", names(wishes).join(", "), wishes.listen)
}

/// mailcow answers mail programs that look for their settings, so the portal's name is enough.
fn of_mailcow(wishes: &Wishes) -> String {
    let Some(web) = &wishes.mailcow else { return String::new() };
    let listen = format!("listen {0} ssl;\n    listen [::]:{0} ssl;", web.https_port);
    let site = server(wishes, &wishes.host(), &listen, ["/etc/ssl/mail/cert.pem", "/etc/ssl/mail/key.pem"]);
    format!(
        "For mailcow's nginx, in {}:\n\n{site}\nIn mailcow.conf add {} to ADDITIONAL_SAN, so that mailcow's certificate is for it, too; then \
         `docker compose up -d` and `docker compose restart nginx-mailcow`.",
        web.folder.join("data/conf/nginx/keydove-portal.conf").display(),
        wishes.host()
    )
}
