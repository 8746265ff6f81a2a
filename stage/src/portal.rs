//! A portal beside a system: its client in Keycloak, its configuration, its process.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::names::REALM;
use crate::process::{Group, Program, accepts, run};
use crate::system::System;
use crate::{Failure, Result, Stage, attempt, free_port};

/// The secret of the client.
pub const SECRET: &str = "portal-secret";
/// The first argument of a test program when it is to be the portal. Cargo gives a test the programs of its own package only,
/// and the portal is another; so the tests are built with the portal's code, and become it.
pub const AS_PORTAL: &str = "become-the-portal";

/// The arguments of the portal, if this program was started to be it.
#[must_use]
pub fn asked_to_be_portal() -> Option<impl Iterator<Item = String>> {
    let mut words = std::env::args().skip(1);
    (words.next().as_deref() == Some(AS_PORTAL)).then_some(words)
}

/// What starts this very program as the portal.
///
/// # Errors
/// The system does not say which program this is.
pub fn this_program() -> Result<Vec<OsString>> {
    let own = attempt("find", &PathBuf::from("this program"), std::env::current_exe())?;
    Ok(vec![own.into(), AS_PORTAL.into()])
}

/// A portal that runs.
pub struct Portal {
    program: Option<Program>,
    stage: Arc<Stage>,
    /// What starts it: a program, and its first arguments.
    words: Vec<OsString>,
    config: PathBuf,
    /// What people open.
    pub address: String,
    port: u16,
}

impl Portal {
    /// Starts one for the people of the system, and has its keydove open the portal's socket. `words` are the program
    /// and its first arguments, if it has any; an edit of keydove's configuration comes beside.
    ///
    /// # Errors
    /// keydove or the portal does not start, or Keycloak takes no client.
    pub fn start(
        system: &mut System,
        words: Vec<OsString>,
        keydove: impl FnOnce(String) -> String,
    ) -> Result<Self> {
        let stage = Arc::clone(system.stage());
        let socket = socket(&stage);
        system.keydove.stop()?;
        system.keydove.start_changed(|text| keydove(format!("{}{text}", listener(&stage))))?;
        let port = free_port()?;
        let address = format!("http://localhost:{port}");
        system.keycloak.admin().make_client(&client(&address, port))?;
        let secret = stage.write("keydove/portal-secret", SECRET)?;
        attempt("change mode of", &secret, fs::set_permissions(&secret, Permissions::from_mode(0o600)))?;
        let imap = system.dovecot.imap;
        let realm = format!("{}/realms/{}", system.keycloak.url(), system.keycloak.names().realm(REALM));
        let text = format!(
            "[portal]\npublic_url = \"{address}\"\nlisten = \"127.0.0.1:{port}\"\ndaemon_socket = \"{}\"\n\n\
             [keycloak]\nissuer = \"{realm}\"\nclient_secret_file = \"{}\"\n\n\
             [mail]\ndomains = [\"example.org\"]\n[mail.imap]\nhost = \"localhost\"\nport = {imap}\n\
             [mail.smtp]\nhost = \"localhost\"\nport = 465\n",
            socket.display(),
            secret.display()
        );
        let config = stage.write("keydove/portal.toml", &text)?;
        let mut portal = Self { program: None, stage, words, config, address, port };
        portal.start_again()?;
        Ok(portal)
    }

    /// Starts one whose configuration is there, for instance because `keydove setup` wrote it.
    ///
    /// # Errors
    /// It does not start.
    pub fn of(
        stage: &Arc<Stage>,
        words: Vec<OsString>,
        config: PathBuf,
        (address, port): (String, u16),
    ) -> Result<Self> {
        let mut portal = Self { program: None, stage: Arc::clone(stage), words, config, address, port };
        portal.start_again()?;
        Ok(portal)
    }

    /// Starts it again, as it was.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.program = None;
        let mut program = Program::start(&self.stage, "portal", self.command("serve")?, Group::Own)?;
        let port = self.port;
        // Behind a relay, that port is open before.
        program.wait_until(|| accepts(port))?;
        self.program = Some(program);
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// What `keydove-portal check` prints.
    ///
    /// # Errors
    /// It does not run, or finds a fault.
    pub fn check(&self) -> Result<String> {
        run(&mut self.command("check")?)
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// The memory that it uses, in KiB.
    ///
    /// # Errors
    /// It does not run.
    pub fn memory_kib(&self) -> Result<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.process()));
        let status = attempt("read", &path, fs::read_to_string(&path))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX))
    }

    /// The process that serves; 0 where none does.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.program.as_ref().map_or(0, Program::id)
    }

    fn command(&self, word: &str) -> Result<Command> {
        let (program, first) =
            self.words.split_first().ok_or_else(|| Failure("the portal has no program".to_owned()))?;
        let mut command = Command::new(program);
        command.args(first).arg(word).arg("--config").arg(&self.config);
        Ok(command)
    }
}

/// keydove's settings by which first sign-ins make mailboxes, to be put behind its configuration.
pub const PROVISIONING: &str = "\n[provisioning]\nenabled = true\ndefault_template = \"Default\"\n";

/// Takes somebody's mailbox away, and gives the template by which [`PROVISIONING`] makes another.
///
/// # Errors
/// The database does not do it.
pub fn take_mailbox(system: &System, user: &str) -> Result<()> {
    system.execute(&format!(
        "INSERT INTO templates (template, type, attributes)
         VALUES ('Default', 'mailbox', '{{\"quota\":\"1048576\",\"active\":\"1\",\"quarantine_category\":\"reject\"}}');
         UPDATE domain SET mailboxes = 1000, maxquota = 10240, quota = 102400 WHERE domain = 'example.org';
         DELETE FROM mailbox WHERE username = '{user}'"
    ))
}

/// Where keydove answers the portal.
fn socket(stage: &Stage) -> PathBuf {
    stage.path("keydove/portal.sock")
}

/// keydove's settings and listener for the portal, to be put before its configuration.
#[must_use]
pub fn listener(stage: &Stage) -> String {
    let socket = socket(stage);
    format!(
        "[portal]\nadministrators = true\nadministrator_realm_role = \"keydove-portal-administrator\"\n\n[[listener]]\ndoor = \"portal\"\npath = \"{}\"\nmode = \"0600\"\n\n",
        socket.display()
    )
}

/// The client as docs/portal.md makes it.
#[must_use]
pub fn client(address: &str, port: u16) -> Value {
    json!({
        "clientId": "keydove-portal",
        "protocol": "openid-connect",
        "publicClient": false,
        "secret": SECRET,
        "standardFlowEnabled": true,
        "directAccessGrantsEnabled": false,
        "serviceAccountsEnabled": false,
        "fullScopeAllowed": false,
        "redirectUris": [format!("{address}/sign-in/done")],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": format!("{address}/signed-out"),
            "backchannel.logout.url": format!("http://127.0.0.1:{port}/back-channel-logout"),
            "backchannel.logout.session.required": "true",
        },
        "protocolMappers": [{
            "name": "roles of the portal",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-usermodel-client-role-mapper",
            "config": {
                "usermodel.clientRoleMapping.clientId": "keydove-portal",
                "claim.name": "resource_access.${client_id}.roles",
                "jsonType.label": "String",
                "multivalued": "true",
                "id.token.claim": "true",
                "access.token.claim": "false",
            },
        }],
    })
}
