use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::super::answers::Answers;
use super::super::change::{Access, Phase};
use super::super::dovecot::Dovecot;
use super::super::journal::{Entry, Facts};
use super::super::wishes::Mail;
use super::*;

/// A folder with a secret in it, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("keydove-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let secret = folder.join("client-secret");
        std::fs::write(&secret, "s3cret").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wishes(folder: &Folder, release: Release, way: DovecotWay, service: Service) -> Wishes {
    Wishes {
        config: folder.0.join("keydove.toml"),
        server_url: "https://sso.example.org".to_owned().try_into().unwrap(),
        realm: "My \"Mail\"".to_owned().try_into().unwrap(),
        client_id: "keydove".to_owned(),
        ca_file: None,
        events: true,
        domains: Vec::new(),
        make_mailboxes: true,
        leave_users_behind: false,
        mail: Mail {
            uid: 5000,
            gid: 5000,
            home: "/var/vmail/%d/%n".to_owned(),
            location: "maildir:~/Maildir".to_owned(),
        },
        dovecot: Some((Dovecot::sample(release), way)),
        postfix: None,
        sockets: "/run/keydove".into(),
        beside: None,
        store: Store::Sqlite("/var/lib/keydove/keydove.sqlite".into()),
        service,
    }
}

fn commands() -> Service {
    Service::Commands { start: "true".to_owned(), stop: "true".to_owned() }
}

fn state(text: &str) -> State {
    State::File { text: text.to_owned(), access: Access { mode: 0o644, uid: 0, gid: 0 } }
}

#[test]
fn what_setup_writes_is_a_sound_configuration() {
    let folder = Folder::new("sound");
    for release in [Release::V2_3, Release::V2_4] {
        for way in [DovecotWay::Takeover, DovecotWay::Lua] {
            for service in [Service::Systemd, commands()] {
                let has_modes = service != Service::Systemd;
                let wishes = wishes(&folder, release, way, service);
                let all = listeners(&wishes);
                let journal = Journal::new(Facts::default());
                let text = text(&wishes, &all, &State::Absent, &journal).unwrap();
                let config = Config::parse(&wishes.config, &text).unwrap();
                assert_eq!(config.listeners.len(), all.len(), "{text}");
                assert_eq!(config.keycloaks[0].0.realm.as_str(), "My \"Mail\"");
                assert_eq!(
                    text.contains("owner = \"dovecot\""),
                    has_modes && way == DovecotWay::Lua,
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_file_of_the_administrators_keeps_every_word_and_gets_missing_sockets() {
    let folder = Folder::new("own");
    let wishes = wishes(&folder, Release::V2_3, DovecotWay::Takeover, Service::Systemd);
    let own = format!(
        "# mine\n[[listener]]\ndoor = \"control\"\npath = \"/run/keydove/other\"\n\n[keycloak]\nserver_url = \
         \"https://sso.example.org/\"\nrealm = 'My \"Mail\"'\nclient_id = \"keydove\"\nclient_secret_file = \"{}\" # here",
        folder.0.join("client-secret").display()
    );
    std::fs::write(&wishes.config, &own).unwrap();
    let all = listeners(&wishes);
    let journal = Journal::new(Facts::default());
    let once = text(&wishes, &all, &state(&own), &journal).unwrap();
    assert!(once.starts_with(&own) && once.contains("auth-master"), "{once}");
    assert!(!once.contains("/run/keydove/control"), "one control socket is enough: {once}");
    Config::parse(&wishes.config, &once).unwrap();
    std::fs::write(&wishes.config, &once).unwrap();
    assert_eq!(text(&wishes, &all, &state(&once), &journal).unwrap(), once, "twice is once");
    let other = once.replace("sso.example.org", "other.example.org");
    std::fs::write(&wishes.config, &other).unwrap();
    let error = text(&wishes, &all, &state(&other), &journal).unwrap_err().to_string();
    assert!(error.contains("setup changes nothing that you wrote"), "{error}");
}

#[test]
fn the_database_is_the_one_that_was_answered() {
    let folder = Folder::new("mariadb");
    let mut wishes = wishes(&folder, Release::V2_4, DovecotWay::Takeover, commands());
    let answers = Answers { mariadb: Some("/run/mysqld/mysqld.sock".to_owned()), ..Answers::default() };
    wishes.store = Store::Mariadb(Mariadb::settle(&answers).unwrap().unwrap());
    let password = folder.0.join("database-password");
    std::fs::write(&password, "s3cret").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let all = listeners(&wishes);
    let journal = Journal::new(Facts::default());
    let written = text(&wishes, &all, &State::Absent, &journal).unwrap();
    let config = Config::parse(&wishes.config, &written).unwrap();
    assert!(matches!(config.storage, crate::backend::sql::Config::Mariadb(_)), "{written}");
    // A file of the administrator's for another database.
    for own in
        [written.replace("user = \"keydove\"", "user = \"other\""), written.replace("socket = ", "host = ")]
    {
        let error = text(&wishes, &all, &state(&own), &journal).unwrap_err().to_string();
        assert!(error.contains("is not for the database that --mariadb names"), "{error}");
    }
}

#[test]
fn a_file_that_setup_wrote_is_written_anew_until_somebody_changes_it() {
    let folder = Folder::new("anew");
    let first = wishes(&folder, Release::V2_3, DovecotWay::Takeover, Service::Systemd);
    let mut journal = Journal::new(Facts::default());
    let written = state(&text(&first, &listeners(&first), &State::Absent, &journal).unwrap());
    journal.entries.push(Entry {
        phase: Phase::Keydove,
        place: Place::File(first.config.clone()),
        before: State::Absent,
        written: written.mark(),
    });
    let second = wishes(&folder, Release::V2_3, DovecotWay::Lua, Service::Systemd);
    let new = text(&second, &listeners(&second), &written, &journal).unwrap();
    assert!(new.contains("hook") && !new.contains("auth-master"), "{new}");
}
