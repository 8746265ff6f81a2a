//! A Dovecot with mailcow's login chain: its script, the master users, and its script again, with the cache as mailcow
//! sets it.

use std::process::Command;
use std::sync::Arc;

use crate::clients::{Login, imap_login};
use crate::stage::process::{Group, Program, accepts};
use crate::stage::{Result, Stage, attempt, free_port};

/// A master user of mailcow's kind.
pub const MASTER: (&str, &str) = ("doorman@mailcow.local", "master-pw");

/// One with IMAP on loopback.
pub struct MailcowDovecot {
    imap: u16,
    program: Program,
}

impl MailcowDovecot {
    /// Boots it with this script; `name` is of its folder and log, `more` comes last as in mailcow's `extra.conf`.
    pub fn start(stage: &Arc<Stage>, name: &'static str, script: &str, more: &str) -> Result<Self> {
        let imap = free_port()?;
        stage.folder(name)?;
        let folder = stage.path(name);
        let script = stage.write(&format!("{name}/verify.lua"), script)?;
        let (user, password) = MASTER;
        let masters = stage.write(&format!("{name}/masters"), &format!("{user}:{{PLAIN}}{password}\n"))?;
        let text = format!(
            "base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {name}
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = lua
  args = file={script} blocking=yes cache_key=%s:%u:%w
  result_success = return-ok
  result_failure = continue
  result_internalfail = continue
}}
passdb {{
  driver = passwd-file
  args = {masters}
  master = yes
  skip = authenticated
}}
passdb {{
  driver = lua
  args = file={script} blocking=yes
}}
userdb {{
  driver = static
  args = uid=5000 gid=5000 home={mail}/%d/%n
}}
mail_location = maildir:~/Maildir
auth_cache_verify_password_with_worker = yes
auth_cache_negative_ttl = 60s
auth_cache_ttl = 300s
auth_cache_size = 10M
auth_verbose_passwords = sha1:6
{more}
",
            folder = folder.display(),
            script = script.display(),
            masters = masters.display(),
            mail = stage.path("mail").display(),
        );
        let config = stage.write(&format!("{name}/dovecot.conf"), &text)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-F").arg("-c").arg(&config);
        let mut program = Program::start(stage, name, command, Group::Own)?;
        program.wait_until(|| accepts(imap))?;
        Ok(Self { imap, program })
    }

    /// The last line of a login over IMAP, without its tag.
    pub fn login(&self, user: &str, password: &str) -> Result<String> {
        let answer = imap_login(self.imap, Login { user, password });
        attempt("log in over IMAP as", std::path::Path::new(user), answer)
    }

    pub fn log(&self) -> String {
        self.program.log()
    }
}
