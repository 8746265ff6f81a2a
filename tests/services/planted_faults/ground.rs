//! The ground: a realm, a keydove with a socket of each kind, and the questions about both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::super::auth_socket::AuthSocket;
use super::super::mailcow::world::{RIGHT, TEMPLATE, domain, person};
use super::super::stage::system::System;
use super::super::stage::{Failure, Result, attempt, give};
use super::super::{ensure, transport};
use super::{ANN, DOMAIN, EACH, FAULT, Fault, Ground, NEWCOMERS, PROVISIONING, REALM, SERVICE, SOUND};

impl<'s> Ground<'s> {
    pub(super) fn prepare(system: &'s System) -> Result<Self> {
        let admin = system.keycloak.admin();
        let newcomer = |number| person(&format!("new{number}@{DOMAIN}"));
        let people = std::iter::once(person(ANN)).chain((0..NEWCOMERS).map(newcomer)).collect();
        let mut realm = super::super::sync::realm(REALM, people)?;
        for user in realm["users"].as_array_mut().into_iter().flatten() {
            if user["serviceAccountClientId"] == "mailcow" {
                user["clientRoles"]["realm-management"] = serde_json::json!(["view-users", "view-realm"]);
            }
        }
        admin.make_realm(&realm)?;
        // Nobody else's people and domains, so that what is tried is ours.
        system.execute(&format!(
            "DELETE FROM mailbox; DELETE FROM domain; {}
             INSERT INTO templates (template, type, attributes) VALUES ('Planted', 'mailbox', '{TEMPLATE}');
             INSERT INTO mailbox (username, password, name, quota, local_part, domain, attributes, kind, authsource, active)
             VALUES ('{ANN}', '', 'Ann', 0, 'ann', '{DOMAIN}', '{{}}', '', 'keycloak', 1)",
            domain(DOMAIN, "")
        ))?;
        let stage = system.stage();
        let secret = stage.write("keydove/planted.secret", "s3cret")?;
        give(&secret, "root", SERVICE.1, 0o640)?;
        give(&stage.path("keydove/database_password"), "root", SERVICE.1, 0o640)?;
        stage.folder("keydove/login/ext")?;
        let listeners = listeners(&stage.path("keydove"));
        let keydove = system.keydove.beside("planted", |text| {
            let own = text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default();
            let text = text.replace(own, &format!("client_secret_file = \"{}\"", secret.display()));
            let text = text.replace("realm = \"mail\"", "realm = \"planted\"");
            text.replacen("[keycloak]", &format!("{listeners}[keycloak]"), 1) + PROVISIONING
        })?;
        let (profile, admin) = (serde_json::Value::Null, admin.in_realm(REALM));
        let (relay, directory, mute, units) = (None, None, Vec::new(), None);
        Ok(Self { keydove, admin, system, profile, relay, directory, mute, units, newcomers: 0 })
    }

    pub(super) fn restart(&mut self) -> Result<()> {
        self.keydove.stop()?;
        self.keydove.start_again()
    }

    pub(super) fn restart_with(&mut self, edit: impl FnOnce(String) -> String) -> Result<()> {
        self.keydove.rewrite(edit)?;
        self.restart()
    }

    pub(super) fn write_secret(&self, secret: &str) -> Result<()> {
        let path = self.system.stage().path("keydove/planted.secret");
        attempt("write", &path, fs::write(&path, secret))
    }

    /// From here on the service runs as somebody else, as its unit says.
    pub(super) fn run_as_service(&mut self) -> Result<()> {
        let config = self.keydove.config().display();
        let unit =
            format!("[Service]\nUser={}\nExecStart=/usr/bin/keydove serve --config {config}\n", SERVICE.0);
        self.system.stage().folder("units")?;
        self.system.stage().write("units/keydove.service", &unit)?;
        self.units = Some(self.system.stage().path("units"));
        Ok(())
    }

    pub(super) fn database(&self) -> Result<String> {
        let rows = self.system.query("SELECT DATABASE()")?;
        rows.into_iter().flatten().next().ok_or_else(|| Failure("the database has no name".to_owned()))
    }

    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        let folder = self.system.stage().path("keydove");
        DOORS.iter().map(|(_, name, ..)| folder.join(name)).collect()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keydove"));
        command.args(arguments).arg("--config").arg(self.keydove.config());
        // Never a unit of this machine.
        let none = self.system.stage().path("no-units");
        command.env("SYSTEMD_UNIT_PATH", self.units.as_ref().unwrap_or(&none));
        attempt("run", Path::new("keydove"), command.output())
    }

    /// An administrator's command.
    pub(super) fn keydove_does(&self, arguments: &[&str]) -> Result<()> {
        let output = self.run(arguments)?;
        ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(super) fn check(&self) -> Result<(Option<i32>, String)> {
        let output = self.run(&["check", "--user", ANN])?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
    }

    pub(super) fn says(&self, fault: &Fault) -> Result<String> {
        let (code, text) = self.check()?;
        ensure(code == Some(fault.code), || format!("exit code {code:?}:\n{text}"))?;
        for part in fault.says.iter().filter(|part| **part != EACH) {
            ensure(text.contains(part), || format!("no `{part}` in\n{text}"))?;
        }
        if fault.says.contains(&EACH) {
            let beginning = fault.says[0];
            for path in self.sockets() {
                let line = format!("fault: {} {beginning}", path.display());
                ensure(text.contains(&line), || format!("no `{line}` in\n{text}"))?;
            }
        }
        let last = text.lines().last().unwrap_or_default();
        let contradicts = fault.code == FAULT && last.contains("nothing stands against logins");
        ensure(!contradicts, || format!("the last line contradicts:\n{text}"))?;
        Ok(text)
    }

    pub(super) fn is_clean(&self) -> Result<()> {
        let (code, text) = self.check()?;
        let last = text.lines().last().unwrap_or_default();
        ensure(code == Some(SOUND) && last.starts_with("nothing stands against logins"), || text.clone())
    }

    /// Of Ann, and of somebody for the first time.
    pub(super) fn logins_work(&self) -> Result<()> {
        let newcomer = format!("new{}@{DOMAIN}", self.newcomers);
        for user in [ANN, &newcomer] {
            let mut socket = transport(AuthSocket::client(self.keydove.client_socket()?, 7000))?;
            transport(socket.login(1, user, RIGHT))?;
            let answer = transport(socket.line())?;
            ensure(answer.starts_with("OK\t1"), || format!("{user}: {answer}"))?;
        }
        Ok(())
    }
}

/// Door, name, the rest of the listener.
const DOORS: [(&str, &str, &str); 8] = [
    ("auth-client", "login/ext/auth", "role = \"dovecot\"\nmode = \"0660\"\ngroup = \"dovenull\"\n"),
    (
        "auth-client",
        "planted-postfix",
        "role = \"postfix\"\nmode = \"0660\"\nowner = \"postfix\"\ngroup = \"postfix\"\n",
    ),
    ("auth-master", "planted-master", ""),
    ("control", "planted-control", ""),
    ("policy", "planted-policy", "mode = \"0660\"\ngroup = \"postfix\"\n"),
    ("socketmap", "planted-maps", "mode = \"0660\"\ngroup = \"postfix\"\n"),
    ("hook", "planted-hook", "mode = \"0600\"\nowner = \"dovecot\"\n"),
    ("http-login", "planted-http", ""),
];

fn listeners(folder: &Path) -> String {
    let listener = |(door, name, rest): &(&str, &str, &str)| {
        format!("[[listener]]\ndoor = \"{door}\"\npath = \"{}\"\n{rest}\n", folder.join(name).display())
    };
    DOORS.iter().map(listener).collect()
}
