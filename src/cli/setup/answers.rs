//! What setup has to know: flags, the answers file, and questions on a terminal, in this order.

use std::io::{BufRead, IsTerminal, stdin};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::input::Input;
use super::super::output::prompt;
use super::super::storage::Failure;
use super::portal::Proxy;
use crate::auth::Secret;

/// Largest answers file, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The flags; a key of the answers file has the same name with `_` for `-`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Answers")]
pub(super) struct Answers {
    /// Keycloak's root address, such as `https://sso.example.org`.
    #[arg(long, value_name = "URL")]
    pub(super) server_url: Option<String>,
    /// The realm of the users.
    #[arg(long, value_name = "NAME")]
    pub(super) realm: Option<String>,
    /// The client that setup makes, or finds. Default: keydove.
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// Certificate authorities in PEM form, to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// The administrator who signs in at Keycloak, once. The password comes from the variable
    /// `KEYDOVE_ADMIN_PASSWORD`, from --admin-password-file, or from a question.
    #[arg(long, value_name = "NAME")]
    pub(super) admin_user: Option<String>,
    /// The administrator's realm. Default: master.
    #[arg(long, value_name = "NAME")]
    pub(super) admin_realm: Option<String>,
    /// A file whose first line is the administrator's password.
    #[arg(long, value_name = "FILE")]
    pub(super) admin_password_file: Option<PathBuf>,
    /// Whether keydove follows Keycloak's events, so that a change counts within seconds. Default: false.
    #[arg(long, value_name = "true|false")]
    pub(super) events: Option<bool>,
    /// A mail domain to be served; may be repeated. Domains that are there stay as they are.
    #[arg(long = "domain", value_name = "DOMAIN")]
    pub(super) domains: Option<Vec<String>>,
    /// Whether everybody in the realm with an address in a domain gets a mailbox, now and at a first login. Default: true.
    #[arg(long, value_name = "true|false")]
    pub(super) make_mailboxes: Option<bool>,
    /// The number of the user that owns mail. Default: that of vmail, else 5000.
    #[arg(long, value_name = "N")]
    pub(super) mail_uid: Option<u32>,
    /// The number of the group that owns mail. Default: that of vmail, else 5000.
    #[arg(long, value_name = "N")]
    pub(super) mail_gid: Option<u32>,
    /// The folder of a user. Default: /var/vmail/%d/%n.
    #[arg(long, value_name = "PATH")]
    pub(super) mail_home: Option<String>,
    /// Where the mail lies in it. Default: maildir:~/Maildir.
    #[arg(long, value_name = "LOCATION")]
    pub(super) mail_location: Option<String>,
    /// How Dovecot asks keydove. Default: takeover, where there is a Dovecot.
    #[arg(long, value_name = "WAY")]
    pub(super) dovecot: Option<DovecotWay>,
    /// What Postfix asks keydove; may be repeated. Default: sasl, where there is a Postfix.
    #[arg(long, value_name = "QUESTION")]
    pub(super) postfix: Option<Vec<PostfixQuestion>>,
    /// Switch Dovecot over although it knows users who have no mailbox in keydove: mail to them will bounce.
    #[arg(long, value_name = "true|false")]
    pub(super) leave_users_behind: Option<bool>,
    /// A user who logs in before and after the switch. The password comes from the variable `KEYDOVE_TEST_PASSWORD`,
    /// from --test-password-file, or from a question.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) test_user: Option<String>,
    /// A file whose first line is the test user's password.
    #[arg(long, value_name = "FILE")]
    pub(super) test_password_file: Option<PathBuf>,
    /// Dovecot's configuration, where it is not the usual one.
    #[arg(long, value_name = "FILE")]
    pub(super) dovecot_config: Option<PathBuf>,
    /// Postfix's configuration folder, where it is not the usual one.
    #[arg(long, value_name = "FOLDER")]
    pub(super) postfix_config: Option<PathBuf>,
    /// The folder of keydove's sockets. Default: /run/keydove.
    #[arg(long, value_name = "FOLDER")]
    pub(super) socket_folder: Option<PathBuf>,
    /// The SQLite file. Default: /var/lib/keydove/keydove.sqlite.
    #[arg(long, value_name = "FILE")]
    pub(super) database: Option<PathBuf>,
    /// MariaDB or MySQL in place of a SQLite file: its socket's path, or HOST, or HOST:PORT.
    #[arg(long, value_name = "PLACE")]
    pub(super) mariadb: Option<String>,
    /// The database there, which setup makes unless it is there. Default: keydove.
    #[arg(long, value_name = "NAME")]
    pub(super) mariadb_database: Option<String>,
    /// The database user that setup makes for keydove. Default: keydove.
    #[arg(long, value_name = "NAME")]
    pub(super) mariadb_user: Option<String>,
    /// The host from which MariaDB sees keydove come. Default: localhost with a socket, else any (%).
    #[arg(long, value_name = "HOST")]
    pub(super) mariadb_from: Option<String>,
    /// The administrator who signs in at MariaDB, once. Default: root. If a password is needed, it comes from the variable
    /// `KEYDOVE_MARIADB_PASSWORD`, from --mariadb-admin-password-file, or from a question.
    #[arg(long, value_name = "NAME")]
    pub(super) mariadb_admin: Option<String>,
    /// A file whose first line is that administrator's password.
    #[arg(long, value_name = "FILE")]
    pub(super) mariadb_admin_password_file: Option<PathBuf>,
    /// The folder of a mailcow, beside which keydove is set up; then nothing is asked of the other answers. It is found by
    /// itself at /opt/mailcow-dockerized.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "/opt/mailcow-dockerized")]
    pub(super) mailcow: Option<PathBuf>,
    /// The web portal's own address, such as `https://account.example.org`.
    #[arg(long, value_name = "URL", requires = "portal")]
    pub(super) public_url: Option<String>,
    /// The mail server's name, as mail programs reach it. Default: mailcow's, beside one.
    #[arg(long, value_name = "HOST", requires = "portal")]
    pub(super) mail_host: Option<String>,
    /// Somebody who may see the portal's pages for administrators; may be repeated.
    #[arg(long = "administrator", value_name = "ADDRESS", requires = "portal")]
    pub(super) administrators: Option<Vec<String>>,
    /// Which proxy stands before the portal. Default: mailcow's nginx beside a mailcow, else nginx or Caddy.
    #[arg(long, value_name = "PROXY", requires = "portal")]
    pub(super) proxy: Option<Proxy>,
    /// Where the portal listens. Default: 127.0.0.1:8484; beside mailcow the host's address in its network.
    #[arg(long, value_name = "ADDRESS:PORT", requires = "portal")]
    pub(super) portal_listen: Option<SocketAddr>,
    /// The portal's client in Keycloak. Default: keydove-portal.
    #[arg(long, value_name = "ID", requires = "portal")]
    pub(super) portal_client_id: Option<String>,
    /// The portal's configuration. Default: /etc/keydove-portal/keydove-portal.toml.
    #[arg(long, value_name = "FILE", requires = "portal")]
    pub(super) portal_config: Option<PathBuf>,
    /// The port of 127.0.0.1 at which mailcow's nginx publishes its own login for shadow mode. Default: 9082.
    #[arg(long, value_name = "PORT")]
    pub(super) shadow_port: Option<u16>,
    /// The port of 127.0.0.1 for metrics and probes beside mailcow. Default: 9153.
    #[arg(long, value_name = "PORT")]
    pub(super) metrics_port: Option<u16>,
    /// The command that starts keydove, on a machine without systemd.
    #[arg(long, value_name = "COMMAND", requires = "stop_command")]
    pub(super) start_command: Option<String>,
    /// The command that stops keydove and waits for its end, on a machine without systemd.
    #[arg(long, value_name = "COMMAND", requires = "start_command")]
    pub(super) stop_command: Option<String>,
}

/// How Dovecot asks keydove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DovecotWay {
    /// keydove is its whole auth server.
    Takeover,
    /// Its own auth server asks keydove by the Lua script.
    Lua,
    /// The same by a program, in Dovecot 2.3.
    Checkpassword,
    /// Not at all.
    None,
}

/// What Postfix asks keydove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PostfixQuestion {
    /// Is this password right? On the submission services.
    Sasl,
    /// May whoever is logged in send this?
    Policy,
    /// Which domains, mailboxes and aliases are there?
    Maps,
    /// Nothing.
    None,
}

/// Takes from `$second` what `$first` has not.
macro_rules! filled {
    ($first:ident, $second:ident, $($field:ident),+ $(,)?) => {
        Self { $($field: $first.$field.or($second.$field)),+ }
    };
}

impl Answers {
    /// These, and of `other` what is missing.
    pub(super) fn or(self, other: Self) -> Self {
        filled!(
            self,
            other,
            server_url,
            realm,
            client_id,
            ca_file,
            admin_user,
            admin_realm,
            admin_password_file,
            events,
            domains,
            make_mailboxes,
            mail_uid,
            mail_gid,
            mail_home,
            mail_location,
            dovecot,
            postfix,
            leave_users_behind,
            test_user,
            test_password_file,
            dovecot_config,
            postfix_config,
            socket_folder,
            database,
            mariadb,
            mariadb_database,
            mariadb_user,
            mariadb_from,
            mariadb_admin,
            mariadb_admin_password_file,
            mailcow,
            public_url,
            mail_host,
            administrators,
            proxy,
            portal_listen,
            portal_client_id,
            portal_config,
            shadow_port,
            metrics_port,
            start_command,
            stop_command,
        )
    }

    /// Reads the answers file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let complain = |what: String| Failure::Data(format!("{}: {what}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| complain(format!("cannot be read: {error}")))?;
        if text.len() > MAX_BYTES {
            return Err(complain(format!("has more than {MAX_BYTES} bytes")));
        }
        // The library shows line, column and caret.
        toml::from_str(&text).map_err(|error| complain(format!("\n{error}")))
    }

    /// Asks on a terminal for what has no default; without one it is an error that names all of it.
    pub(super) fn complete(mut self) -> Result<Self, Failure> {
        let wanted = [
            (&mut self.server_url, "Keycloak's address, such as https://sso.example.org", "--server-url"),
            (&mut self.realm, "the realm of the users", "--realm"),
            (&mut self.admin_user, "an administrator of Keycloak", "--admin-user"),
        ];
        let mut missing = Vec::new();
        for (answer, question, flag) in wanted {
            if answer.is_none() {
                *answer = ask(question)?;
            }
            if answer.is_none() {
                missing.push(flag);
            }
        }
        if self.domains.is_none()
            && let Some(text) =
                ask("the mail domains, with blanks between them (none: those that are there)")?
        {
            self.domains = Some(text.split_whitespace().map(str::to_owned).collect());
        }
        if self.test_user.is_none() {
            self.test_user = ask("a user who logs in as a test (none: no test)")?;
        }
        if missing.is_empty() {
            return Ok(self);
        }
        Err(Failure::Usage(format!(
            "setup has to know more: give {}, or answer on a terminal",
            missing.join(", ")
        )))
    }
}

/// Asks on a terminal; `None` without one, and where the line is empty.
pub(super) fn ask(question: &str) -> Result<Option<String>, Failure> {
    if !stdin().is_terminal() {
        return Ok(None);
    }
    prompt(question);
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::System(format!("cannot read an answer from the terminal: {error}")))?;
    Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
}

/// Whether a person says yes to what was shown.
pub(super) fn agrees(question: &str) -> Result<bool, Failure> {
    Ok(ask(&format!("{question} [y/N]"))?.is_some_and(|word| matches!(&*word, "y" | "Y" | "yes" | "Yes")))
}

/// A password: from the environment, from the first line of a file, or typed without an echo.
pub(super) fn password(
    variable: &str,
    file: Option<&Path>,
    what: &'static str,
) -> Result<Option<Secret>, Failure> {
    use std::os::unix::ffi::OsStringExt;
    if let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
        return Ok(Some(Secret::new(value.into_vec())));
    }
    if let Some(file) = file {
        let opened = std::fs::File::open(file);
        let opened =
            opened.map_err(|error| Failure::Data(format!("{}: cannot be read: {error}", file.display())))?;
        return Ok(Some(Input::Lines(std::io::BufReader::new(opened)).ask(what)?));
    }
    if !stdin().is_terminal() {
        return Ok(None);
    }
    Ok(Some(Input::standard().ask(what)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_file() {
        let flags = Answers { realm: Some("a".to_owned()), ..Answers::default() };
        let file: Answers =
            toml::from_str("realm = \"b\"\ndovecot = \"lua\"\npostfix = [\"sasl\", \"maps\"]").unwrap();
        let both = flags.or(file);
        assert_eq!(both.realm.as_deref(), Some("a"));
        assert_eq!(both.dovecot, Some(DovecotWay::Lua));
        assert_eq!(both.postfix, Some(vec![PostfixQuestion::Sasl, PostfixQuestion::Maps]));
    }

    #[test]
    fn a_password_is_no_answer_of_the_file() {
        for key in ["admin_password", "test_password", "password"] {
            assert!(toml::from_str::<Answers>(&format!("{key} = \"x\"")).is_err(), "{key}");
        }
    }
}
