//! An LDAP directory: a `slapd` of its own below the stage's folder, and its federation into a realm of Keycloak.
//!
//! The system's own `slapd` and `/etc/ldap` are left alone; of the latter only the schema files are read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::keycloak_admin::KeycloakAdmin;
use crate::process::{Group, Program, run};
use crate::{Failure, Result, Stage, attempt, free_port};

const ROOT: &str = "cn=admin,dc=example,dc=org";
const PASSWORD: &str = "directory";
const PEOPLE: &str = "ou=people,dc=example,dc=org";
/// What people bear beside their names: mailcow's hash, and the two attributes by which Active Directory switches accounts
/// off.
const SCHEMA: &str = "\
attributetype ( 1.3.6.1.4.1.4203.666.77.1 NAME 'mailcowPassword'
    EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.77.2 NAME 'userAccountControl'
    EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.77.3 NAME 'pwdLastSet'
    EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.77.9 NAME 'mailPerson' SUP top AUXILIARY
    MAY ( mailcowPassword $ userAccountControl $ pwdLastSet ) )
";

/// How Keycloak treats the people of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// It copies them into its database.
    On,
    /// It asks the directory each time.
    Off,
}

/// A running directory, ended on drop.
pub struct Directory {
    stage: Arc<Stage>,
    /// Of its log file.
    name: &'static str,
    config: PathBuf,
    port: u16,
    program: Option<Program>,
}

impl Directory {
    /// Starts an empty one.
    pub fn start(stage: &Arc<Stage>, name: &'static str) -> Result<Self> {
        let folder = stage.folder(&format!("slapd/{name}/data"))?;
        let schema = stage.write(&format!("slapd/{name}/mail.schema"), SCHEMA)?;
        let config = format!(
            "include /etc/ldap/schema/core.schema\n\
             include /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\n\
             include {}\n\
             pidfile {}\n\
             modulepath /usr/lib/ldap\n\
             moduleload back_mdb\n\
             database mdb\n\
             suffix \"dc=example,dc=org\"\n\
             rootdn \"{ROOT}\"\n\
             rootpw {PASSWORD}\n\
             directory {}\n\
             maxsize 33554432\n\
             dbnosync\n\
             index objectClass,uid,mail,entryUUID eq\n",
            schema.display(),
            stage.path(&format!("slapd/{name}/pid")).display(),
            folder.display(),
        );
        let config = stage.write(&format!("slapd/{name}/slapd.conf"), &config)?;
        let stage = Arc::clone(stage);
        let mut directory = Self { stage, name, config, port: free_port()?, program: None };
        directory.start_again()?;
        directory.change(
            "ldapadd",
            "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n\
             dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n",
        )?;
        Ok(directory)
    }

    /// Starts it again, at the same port and with the same people, and waits until it answers.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new("/usr/sbin/slapd");
        // With a debug level it stays in the foreground.
        command.args(["-d", "0", "-h"]).arg(self.url()).arg("-f").arg(&self.config);
        let mut program = Program::start(&self.stage, self.name, command, Group::Own)?;
        let ask = || run(self.tool("ldapwhoami").args(["-o", "nettimeout=1"])).is_ok();
        let result = program.wait_until(ask);
        self.program = Some(program);
        result
    }

    /// Ends it as a crash does. From now on its port refuses connections.
    pub fn kill(&mut self) -> Result<()> {
        match self.program.take() {
            Some(mut program) => program.kill(),
            None => Ok(()),
        }
    }

    /// It still takes connections, and answers nobody.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// It goes on where it was frozen.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let program = self.program.as_ref();
        program.ok_or_else(|| Failure(format!("{} does not run", self.name)))?.signal(signal)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// Adds somebody with this address, whose name is what stands before the `@`.
    pub fn add(&self, email: &str, hash: &str) -> Result<()> {
        let uid = uid(email);
        let entry = format!(
            "dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\nobjectClass: mailPerson\nuid: {uid}\ncn: {uid}\n\
             sn: Person\ngivenName: Case\nmail: {email}\nmailcowPassword: {hash}\nuserAccountControl: 512\npwdLastSet: 1\n"
        );
        self.change("ldapadd", &entry)
    }

    /// Deletes somebody.
    pub fn delete(&self, email: &str) -> Result<()> {
        self.change("ldapmodify", &format!("dn: uid={},{PEOPLE}\nchangetype: delete\n", uid(email)))
    }

    /// Sets Active Directory's `userAccountControl` of somebody: 512 is in use, 514 is switched off.
    pub fn set_account_control(&self, email: &str, value: u32) -> Result<()> {
        let change = format!(
            "dn: uid={},{PEOPLE}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: {value}\n",
            uid(email)
        );
        self.change("ldapmodify", &change)
    }

    fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(format!("/usr/bin/{program}"));
        command.args(["-x", "-H"]).arg(self.url()).args(["-D", ROOT, "-w", PASSWORD]);
        command
    }

    fn change(&self, program: &str, entries: &str) -> Result<()> {
        let mut command = self.tool(program);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = attempt("start", Path::new(program), command.spawn())?;
        if let Some(mut input) = child.stdin.take() {
            attempt("write to", Path::new(program), input.write_all(entries.as_bytes()))?;
        }
        let output = attempt("wait for", Path::new(program), child.wait_with_output())?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure(format!("{program} of\n{entries}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is frozen hears no other signal.
        if self.program.is_some() {
            let _ = self.thaw();
        }
    }
}

fn uid(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}

/// A directory as a provider of people in a realm.
pub struct Federation {
    admin: KeycloakAdmin,
    /// Of the component in Keycloak.
    pub id: String,
}

impl Federation {
    /// Makes the people of a directory people of the realm; Keycloak waits half a second for a connection and one
    /// second for an answer.
    pub fn join(admin: KeycloakAdmin, directory: &Directory, import: Import) -> Result<Self> {
        let is_on = import == Import::On;
        let config = json!({
            "enabled": ["true"], "priority": ["0"], "importEnabled": [is_on.to_string()], "editMode": ["READ_ONLY"],
            "vendor": ["other"], "usernameLDAPAttribute": ["uid"], "rdnLDAPAttribute": ["uid"],
            "uuidLDAPAttribute": ["entryUUID"], "userObjectClasses": ["inetOrgPerson"],
            "connectionUrl": [directory.url()], "usersDn": [PEOPLE], "authType": ["simple"],
            "bindDn": [ROOT], "bindCredential": [PASSWORD], "searchScope": ["1"], "useTruststoreSpi": ["never"],
            "connectionPooling": ["false"], "connectionTimeout": ["500"], "readTimeout": ["1000"],
            "pagination": ["false"], "fullSyncPeriod": ["-1"], "changedSyncPeriod": ["-1"],
            "syncRegistrations": ["false"], "trustEmail": ["true"], "cachePolicy": ["DEFAULT"],
        });
        let id = admin.add_component(&json!({
            "name": "directory", "providerId": "ldap",
            "providerType": "org.keycloak.storage.UserStorageProvider", "config": config,
        }))?;
        let federation = Self { admin, id };
        federation.map("mailcow_password", "user-attribute-ldap-mapper", &json!({
            "ldap.attribute": ["mailcowPassword"], "user.model.attribute": ["mailcow_password"],
            "read.only": ["true"], "always.read.value.from.ldap": ["true"], "is.mandatory.in.ldap": ["false"],
        }))?;
        Ok(federation)
    }

    fn map(&self, name: &str, kind: &str, config: &Value) -> Result<()> {
        let mapper = json!({
            "name": name, "providerId": kind, "parentId": self.id,
            "providerType": "org.keycloak.storage.ldap.mappers.LDAPStorageMapper", "config": config,
        });
        self.admin.add_component(&mapper).map(drop)
    }

    /// Changes a setting.
    pub fn set(&self, setting: &str, value: &str) -> Result<()> {
        self.admin.change_component(&self.id, |component| component["config"][setting] = json!([value]))
    }

    /// Keycloak takes the directory for an Active Directory, which says with `userAccountControl` who is switched off.
    pub fn is_active_directory(&self) -> Result<()> {
        self.set("vendor", "ad")?;
        // Without it what Keycloak has copied of somebody counts until its next sync.
        let config = json!({ "always.read.enabled.value.from.ldap": ["true"] });
        self.map("MSAD account controls", "msad-user-account-control-mapper", &config)
    }

    /// Keycloak asks the directory anew about people whom it has not asked about for a second. Else what it has cached of them
    /// counts, whatever becomes of them in the directory.
    pub fn forget_soon(&self) -> Result<()> {
        self.set("maxLifespan", "1000")?;
        self.set("cachePolicy", "MAX_LIFESPAN")
    }

    /// Keycloak asks the directory each time.
    pub fn forget_at_once(&self) -> Result<()> {
        self.set("cachePolicy", "NO_CACHE")
    }

    /// Keycloak presents a password that the directory does not take, or the right one again.
    pub fn bind_rightly(&self, rightly: bool) -> Result<()> {
        self.set("bindCredential", if rightly { PASSWORD } else { "wrong" })
    }

    /// Deletes the copies; Keycloak makes new ones, with new ids, when people are looked for.
    pub fn remove_copies(&self) -> Result<()> {
        self.admin.remove_imported(&self.id)
    }
}
