//! A portal beside a system: its client in Keycloak, its configuration, its process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::stage::keycloak::REALM;
use super::super::stage::keycloak_admin::KeycloakAdmin;
use super::super::stage::process::{Group, Program, accepts, run};
use super::super::stage::system::System;
use super::super::stage::{Result, Stage, attempt, free_port};

/// The first argument of this program when it is to be the portal. Cargo gives a test the programs of its own package
/// only, and the portal is another; so the tests are built with the portal's code, and become it.
const AS_PORTAL: &str = "become-the-portal";
const SECRET: &str = "portal-secret";

/// Becomes the portal, if that is what this process was started for.
pub fn become_portal() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    (words.next().as_deref() == Some(AS_PORTAL)).then(|| keydove_portal::cli::run_with(words))
}

/// A portal that runs.
pub struct Portal {
    program: Option<Program>,
    stage: Arc<Stage>,
    config: PathBuf,
    /// What people open.
    pub address: String,
    port: u16,
}

impl Portal {
    /// Starts one for the people of the system, and has its keydove open the portal's socket.
    pub fn start(system: &mut System, keydove: impl FnOnce(String) -> String) -> Result<Self> {
        let stage = Arc::clone(system.stage());
        let socket = stage.path("keydove/portal.sock");
        let listener =
            format!("[[listener]]\ndoor = \"portal\"\npath = \"{}\"\nmode = \"0600\"\n\n", socket.display());
        system.keydove.stop()?;
        system.keydove.start_changed(|text| keydove(format!("{listener}{text}")))?;
        let port = free_port()?;
        let address = format!("http://localhost:{port}");
        KeycloakAdmin::new(&system.keycloak).make_client(&client(&address, port))?;
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
        let mut portal = Self { program: None, stage, config, address, port };
        portal.start_again()?;
        Ok(portal)
    }

    /// Starts it again, as it was.
    pub fn start_again(&mut self) -> Result<()> {
        self.program = None;
        let mut program = Program::start(&self.stage, "portal", self.command("serve")?, Group::Own)?;
        let port = self.port;
        program.wait_until(|| accepts(port))?;
        self.program = Some(program);
        Ok(())
    }

    /// What `keydove-portal check` prints.
    pub fn check(&self) -> Result<String> {
        run(&mut self.command("check")?)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.program.as_ref().map(Program::log).unwrap_or_default()
    }

    /// The memory that it uses, in KiB.
    pub fn memory_kib(&self) -> Result<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.program.as_ref().map_or(0, Program::id)));
        let status = attempt("read", &path, fs::read_to_string(&path))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX))
    }

    fn command(&self, word: &str) -> Result<Command> {
        let own = attempt("find", &PathBuf::from("this program"), std::env::current_exe())?;
        let mut command = Command::new(own);
        command.arg(AS_PORTAL).arg(word).arg("--config").arg(&self.config);
        Ok(command)
    }
}

/// The client as docs/portal.md makes it.
fn client(address: &str, port: u16) -> Value {
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
