//! systemd's credentials are found by every command that an administrator types, in the unit or where systemd puts them,
//! and by nobody else.

use std::path::Path;
use std::process::{Command, Output};

use super::stage::system::System;
use super::stage::{Result, attempt, give};
use super::{Case, ensure};

/// The configuration is wrong, or a secret cannot be read.
const CONFIG: i32 = 78;

pub const CASES: &[Case] = &[("commands_find_the_credentials_of_the_unit_by_themselves", |system| {
    let stage = system.stage();
    let secret = stage.write("keydove/kept-by-root", "s3cret")?;
    give(&secret, "root", "root", 0o600)?;
    // Only systemd gives them to a daemon, so this one has the file itself.
    let keydove = system.keydove.beside("credentials", |text| text)?;
    let text = attempt("read", keydove.config(), std::fs::read_to_string(keydove.config()))?;
    let own = text.lines().find(|line| line.starts_with("client_secret_file")).unwrap_or_default();
    let config = stage
        .write("keydove/with-credential.toml", &text.replace(own, "client_secret_credential = \"client\""))?;
    stage.folder("credential-units/keydove.service.d")?;
    let unit =
        format!("[Service]\nUser=root\nExecStart=/usr/bin/keydove serve --config {}\n", config.display());
    stage.write("credential-units/keydove.service", &unit)?;
    // Without the credential, the message says where it should stand.
    let output = run(system, &config, "", &["census"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.code() == Some(CONFIG) && said.contains("LoadCredential=client:"), || said)?;
    let drop_in = format!("[Service]\nLoadCredential=client:{}\n", secret.display());
    stage.write("credential-units/keydove.service.d/secret.conf", &drop_in)?;
    for command in [
        &["check", "--offline"][..],
        &["check"],
        &["census"],
        &["sync", "--dry-run"],
        &["housekeeping", "--dry-run"],
        &["domain", "list"],
    ] {
        let output = run(system, &config, "", command)?;
        let said = [output.stdout, output.stderr].concat();
        ensure(output.status.success(), || format!("{command:?}: {}", String::from_utf8_lossy(&said)))?;
    }
    // Whoever may not read it is told which file it is and who may.
    let output = run(system, &config, "nobody", &["check"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_told = said.contains("kept-by-root") && said.contains("run this as root");
    ensure(output.status.code() == Some(CONFIG) && is_told && !said.contains("s3cret"), || said)
})];

fn run(system: &System, config: &Path, user: &str, arguments: &[&str]) -> Result<Output> {
    let keydove = env!("CARGO_BIN_EXE_keydove");
    let mut command = match user {
        "" => Command::new(keydove),
        user => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups", keydove]);
            command
        }
    };
    command.args(arguments).arg("--config").arg(config);
    command.env("SYSTEMD_UNIT_PATH", system.stage().path("credential-units"));
    attempt("run", Path::new("keydove"), command.output())
}
