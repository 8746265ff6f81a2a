//! Twelve faults as administrators make them, each for real: `keydove check` names cause and cure, the cure is applied,
//! and then nothing stands against logins any more, which a login and a first login show.

mod ground;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::mailcow::world::RIGHT_HASH;
use super::stage::directory::{Directory, Federation, Import};
use super::stage::keycloak_admin::KeycloakAdmin;
use super::stage::keydove::Keydove;
use super::stage::relay::{Conduct, Relay};
use super::stage::system::System;
use super::stage::{Failure, Result, attempt, give};
use super::{LoneCase, ensure, eventually};

const SOUND: i32 = 0;
const FAULT: i32 = 1;
const DOMAIN: &str = "planted.example";
const REALM: &str = "planted";
const ANN: &str = "ann@planted.example";
/// Newcomers, whose first logins are tried one after the other.
const NEWCOMERS: usize = 16;
/// Whom the service runs as in one of the faults, and their group.
const SERVICE: (&str, &str) = ("nobody", "nogroup");
const PROVISIONING: &str = "\n[provisioning]\nenabled = true\ndefault_template = \"Planted\"\n";

/// A fault, and what is done about it.
struct Fault {
    name: &'static str,
    plant: fn(&mut Ground<'_>) -> Result<()>,
    /// How `check` ends: a clock that is off is a warning, because passwords still work.
    code: i32,
    /// What it says of the cause, and of the cure.
    says: &'static [&'static str],
    /// Given what it says.
    cure: fn(&mut Ground<'_>, &str) -> Result<()>,
}

/// The table.
const FAULTS: &[Fault] = &[
    Fault {
        name: "a wrong secret that was mended after the start",
        plant: |ground| {
            ground.write_secret("wr0ng")?;
            ground.restart()?;
            ground.write_secret("s3cret")
        },
        code: FAULT,
        says: &[
            "the running keydove was started before this change: the client secret of [keycloak]",
            "the client secret is wrong",
            "-> systemctl restart keydove",
        ],
        cure: |ground, _| ground.restart(),
    },
    Fault {
        name: "a role that was taken away",
        plant: |ground| ground.admin.let_see_people("mailcow", false),
        code: FAULT,
        says: &["answered 403", "the role view-users"],
        cure: |ground, _| ground.admin.let_see_people("mailcow", true),
    },
    Fault {
        name: "an attribute that is not declared",
        plant: |ground| {
            let mut profile = ground.admin.profile()?;
            ground.profile = profile.clone();
            if let Some(attributes) = profile["attributes"].as_array_mut() {
                attributes.retain(|attribute| attribute["name"] != "mailcow_password");
            }
            if let Some(profile) = profile.as_object_mut() {
                profile.remove("unmanagedAttributePolicy");
            }
            ground.admin.set_profile(&profile)
        },
        code: FAULT,
        says: &["`mailcow_password` is not declared"],
        cure: |ground, _| ground.admin.set_profile(&ground.profile),
    },
    Fault {
        name: "a misspelt realm",
        plant: |ground| {
            ground.restart_with(|text| text.replace("realm = \"planted\"", "realm = \"Planted\""))
        },
        code: FAULT,
        says: &["answered 404", "it has no realm of this name: letter case counts"],
        cure: |ground, _| {
            ground.restart_with(|text| text.replace("realm = \"Planted\"", "realm = \"planted\""))
        },
    },
    Fault {
        name: "an authority that the service's user cannot read",
        plant: |ground| {
            let folder = ground.system.stage().folder("private")?;
            attempt("close", &folder, fs::set_permissions(&folder, Permissions::from_mode(0o700)))?;
            let ca = folder.join("ca.pem");
            attempt("copy to", &ca, fs::copy(ground.system.keycloak.authority(), &ca).map(drop))?;
            let line = format!("realm = \"planted\"\nca_file = \"{}\"", ca.display());
            ground.restart_with(|text| text.replace("realm = \"planted\"", &line))?;
            ground.run_as_service()?;
            // The running one was started by root; a service is not.
            let mut command = Command::new("setpriv");
            command.args(["--reuid", SERVICE.0, "--regid", SERVICE.1, "--clear-groups"]);
            command
                .arg(env!("CARGO_BIN_EXE_keydove"))
                .args(["serve", "--config"])
                .arg(ground.keydove.config());
            let output = attempt("run", Path::new("setpriv"), command.output())?;
            let text = String::from_utf8_lossy(&output.stderr);
            ensure(text.contains("ca.pem") && !output.status.success(), || format!("it starts: {text}"))
        },
        code: FAULT,
        says: &[
            "judged as the user `nobody`",
            "the user `nobody` cannot read it, so the service fails: the folder ",
            "/private is closed to it",
            "install -m 0644 ",
        ],
        cure: |ground, _| {
            let folder = ground.system.stage().path("private");
            let moved = ground.system.stage().path("keydove/ca.pem");
            attempt("copy to", &moved, fs::copy(folder.join("ca.pem"), &moved).map(drop))?;
            attempt("open", &moved, fs::set_permissions(&moved, Permissions::from_mode(0o644)))?;
            let (was, is) = (folder.join("ca.pem").display().to_string(), moved.display().to_string());
            ground.restart_with(|text| text.replace(&was, &is))
        },
    },
    Fault {
        name: "a command for open sessions that the service's user may not run",
        plant: |ground| {
            ground.restart_with(|text| {
                format!("{text}\n[kick]\ncommand = [\"/usr/bin/doveadm\", \"kick\", \"{{user}}\"]\n")
            })
        },
        code: SOUND,
        says: &[
            "[kick] /usr/bin/doveadm fails (/usr/bin/doveadm: exit status: 75)",
            "use Dovecot's HTTP API",
        ],
        cure: |ground, _| {
            ground.restart_with(|text| text.replace("/usr/bin/doveadm\", \"kick", "/usr/bin/true\", \"kick"))
        },
    },
    Fault {
        name: "a domain that is full",
        plant: |ground| {
            ground.system.execute("UPDATE domain SET mailboxes = 1 WHERE domain = 'planted.example'")?;
            ground.system.execute("DELETE FROM user_acl; DELETE FROM alias; DELETE FROM mailbox WHERE username <> 'ann@planted.example'")
        },
        code: FAULT,
        says: &[
            "a first login in planted.example fails: provision_max_mailbox_exceeded",
            "keydove domain set",
        ],
        cure: |ground, _| {
            ground.keydove_does(&["domain", "set", DOMAIN, "--mailboxes", "500", "--quota", "100GiB"])
        },
    },
    Fault {
        name: "no template for anybody",
        plant: |ground| ground.restart_with(|text| text.replace("default_template = \"Planted\"\n", "")),
        code: FAULT,
        says: &[
            "first logins make mailboxes, but no template is named for anybody",
            "-> set [provisioning] default_template",
            "a first login in planted.example fails: provision_no_mapping",
        ],
        cure: |ground, _| {
            ground.restart_with(|text| {
                text.replace("[provisioning]\nenabled = true\n", PROVISIONING.trim_start_matches('\n'))
            })
        },
    },
    Fault {
        name: "a mailbox that only receives",
        plant: |ground| {
            ground.system.execute("UPDATE mailbox SET active = 2 WHERE username = 'ann@planted.example'")
        },
        code: FAULT,
        says: &["is refused: mailbox_disabled", "--active on"],
        cure: |ground, _| ground.keydove_does(&["mailbox", "set", ANN, "--active", "on"]),
    },
    Fault {
        name: "a clock that is off (a double's: nobody sets the clock of this machine)",
        plant: |ground| {
            let relay = ground.system.keycloak.relay(Conduct::Clock("Sun, 06 Nov 1994 08:49:37 GMT"))?;
            let (was, is) = (ground.system.keycloak.url(), relay.url());
            ground.relay = Some(relay);
            ground.restart_with(|text| text.replace(&was, &is))
        },
        code: SOUND,
        says: &[
            "the clocks of this machine and of Keycloak are ",
            "-> set both by NTP: timedatectl set-ntp true",
        ],
        cure: |ground, _| {
            ground.relay.iter().for_each(|relay| relay.turn(Conduct::Pass));
            Ok(())
        },
    },
    Fault {
        name: "a right that was taken away",
        plant: |ground| {
            let database = ground.database()?;
            ground.system.execute(&format!("REVOKE INSERT ON {database}.* FROM keydove@localhost"))?;
            ground.restart()
        },
        code: FAULT,
        says: &[
            "'keydove'@'localhost' lacks rights on the database ",
            "INSERT on alias",
            "INSERT on mailbox",
            "INSERT on quota2",
            "INSERT on user_acl",
            "INSERT on sasl_log",
            "as the database's administrator run:",
            "a first login in planted.example fails: sql_error",
        ],
        // The statements that it prints are enough.
        cure: |ground, said| {
            for line in said.lines().filter_map(|line| Some(&line[line.find("GRANT ")?..])) {
                ground.system.execute(line)?;
            }
            ground.restart()
        },
    },
    Fault {
        name: "a directory that is down",
        plant: |ground| {
            let directory = Directory::start(ground.system.stage(), REALM)?;
            directory.add("ldap@planted.example", RIGHT_HASH)?;
            let federation = Federation::join(ground.admin.in_realm(REALM), &directory, Import::On)?;
            let (directory, _) = ground.directory.insert((directory, federation));
            directory.kill()
        },
        code: FAULT,
        says: &["fault: realm `planted", "user store `", "does not answer", "look at that server"],
        cure: |ground, _| match &mut ground.directory {
            Some((directory, _)) => directory.start_again(),
            None => Ok(()),
        },
    },
    Fault {
        name: "sockets that are gone",
        plant: |ground| {
            ground.sockets().iter().try_for_each(|path| attempt("remove", path, fs::remove_file(path)))
        },
        code: FAULT,
        says: &["is not there: nobody serves it", "-> start keydove: systemctl start keydove.service", EACH],
        cure: |ground, _| ground.restart(),
    },
    Fault {
        name: "sockets that are shut to those who need them",
        plant: |ground| ground.sockets().iter().try_for_each(|path| give(path, "root", "root", 0o600)),
        code: FAULT,
        says: &[
            "but postfix may not open it: its owner, group and mode leave them out",
            "but dovenull may not open it: ",
            "but dovecot may not open it: ",
            "-> set owner, group and mode as docs/install.md lists them",
        ],
        cure: |ground, _| ground.restart(),
    },
    Fault {
        name: "sockets that systemd holds for a service that does not run",
        plant: |ground| {
            ground.keydove.stop()?;
            for path in ground.sockets() {
                let _ = fs::remove_file(&path);
                ground.mute.push(attempt("bind", &path, UnixListener::bind(&path))?);
            }
            Ok(())
        },
        code: FAULT,
        says: &[
            "takes connections, but not in the protocol ",
            "nobody answers within",
            "journalctl -u keydove",
            EACH,
        ],
        cure: |ground, _| {
            ground.mute.clear();
            ground.sockets().iter().for_each(|path| drop(fs::remove_file(path)));
            ground.restart()
        },
    },
];

/// Stands for the path of each socket.
const EACH: &str = "EACH SOCKET";

pub const CASES: &[LoneCase] = &[
    ("check_names_faults_of_keycloak_and_their_cures", |system| play(system, &FAULTS[..6])),
    ("check_names_faults_of_rows_rights_and_clocks_and_their_cures", |system| play(system, &FAULTS[6..11])),
    ("check_names_faults_of_directories_and_sockets_and_their_cures", |system| play(system, &FAULTS[11..])),
];

/// What all faults are planted in.
struct Ground<'s> {
    keydove: Keydove,
    admin: KeycloakAdmin,
    system: &'s System,
    profile: serde_json::Value,
    relay: Option<Relay>,
    directory: Option<(Directory, Federation)>,
    /// Sockets that nobody answers on.
    mute: Vec<UnixListener>,
    /// Where units are, once the service runs as somebody else.
    units: Option<PathBuf>,
    newcomers: usize,
}

fn play(system: &mut System, faults: &[Fault]) -> Result<()> {
    let mut ground = Ground::prepare(system)?;
    ground.is_clean().map_err(|failure| Failure(format!("before all: {failure}")))?;
    for fault in faults {
        let of = |failure: Failure| Failure(format!("{}: {failure}", fault.name));
        (fault.plant)(&mut ground).map_err(of)?;
        let said = ground.says(fault).map_err(of)?;
        (fault.cure)(&mut ground, &said).map_err(of)?;
        eventually(|| ground.is_clean()).map_err(of)?;
        // A busy machine is none of the faults: a temporary failure is tried again.
        eventually(|| ground.logins_work()).map_err(of)?;
        ground.newcomers += 1;
    }
    Ok(())
}
