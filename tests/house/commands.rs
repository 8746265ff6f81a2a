//! The administrator's commands, from end to end: the built program and a SQLite file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A configuration with a database of its own. Keycloak's secret is missing: no command here needs it.
struct Place(PathBuf);

struct End {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("keydove-commands-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "[[listener]]\ndoor = 'auth-client'\nrole = 'dovecot'\npath = '{folder}/auth'\n\
             [keycloak]\nserver_url = 'https://sso.example.org'\nrealm = 'mail'\nclient_id = 'keydove'\n\
             client_secret_file = '{folder}/missing'\n[storage.sqlite]\npath = '{folder}/keydove.sqlite'\n",
            folder = folder.display()
        );
        std::fs::write(folder.join("keydove.toml"), config).unwrap();
        Self(folder)
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> End {
        let mut process = Command::new(env!("CARGO_BIN_EXE_keydove"))
            .args(arguments)
            .arg("--config")
            .arg(self.0.join("keydove.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that needs no input may have ended already.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        let output = process.wait_with_output().unwrap();
        End {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn run(&self, line: &str) -> End {
        self.run_with(&line.split(' ').collect::<Vec<_>>(), "")
    }

    /// Runs a command that must do what it says.
    fn done(&self, line: &str) -> String {
        let end = self.run(line);
        assert_eq!(end.code, 0, "{line}: {}", end.err);
        end.out
    }

    /// Runs a command that must not, and must say why.
    fn not_done(&self, line: &str, code: i32, words: &str) {
        let end = self.run(line);
        assert_eq!(end.code, code, "{line}: {}{}", end.out, end.err);
        assert!(end.err.contains(words) && end.out.is_empty(), "{line}: {}{}", end.out, end.err);
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(line)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_domain_a_template_and_a_mailbox_are_made_and_changed() {
    let place = Place::new("mailbox");
    let said = place.done("domain add example.org --mailboxes 3 --quota 20GiB --max-quota 10GiB");
    assert!(said.contains("up to 3 mailboxes") && said.contains("next: `keydove mailbox add"), "{said}");
    place.not_done(
        "domain add Example.org",
        65,
        "there already; `keydove domain set example.org` changes it",
    );
    place.not_done("domain set example.org", 64, "say what to change");
    place.not_done("domain set example.org --quota 5GB", 64, "5GiB");
    place.done("domain set example.org --description ours --active on");
    let domains = place.done("domain list");
    let line = domains.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(line, ["example.org", "on", "0/3", "0/20GiB", "10GiB", "3GiB", "ours"]);

    place.done("template add Default --set quota=1GiB --set pop3_access=off --set tags=staff");
    place.not_done("template add Odd --set colour=red", 65, "no key `colour`; it may have: tags, quota,");
    let stored = place.done("template list default --json");
    assert!(stored.starts_with("{\"tags\":[\"staff\"],\"quota\":1073741824,"), "{stored}");
    let text = "{ \"quota\": 5,  \"imap_access\": 1 }";
    let made = place.run_with(&["template", "add", "Small", "--file", "-"], &format!("{text}\n"));
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(place.done("template list Small --json"), format!("{text}\n"), "byte for byte");
    place.done("template set Small --set active=2");
    assert_eq!(place.done("template list Small --json"), "{\"quota\":5,\"active\":2,\"imap_access\":1}\n");

    place.done("mailbox add alice@example.org --template Default --name Alice");
    place.done("mailbox add bob@example.org --quota 0");
    place.not_done("mailbox add Alice@EXAMPLE.org", 65, "mailbox set alice@example.org` changes it");
    place.not_done("mailbox add eve@example.net", 65, "`keydove domain add example.net` makes it");
    place.not_done("mailbox add eve@example.org --quota 11GiB", 65, "--max-quota SIZE");
    place.not_done("mailbox add nobody", 64, "local@domain");
    place.done("mailbox set alice@example.org --deny imap,dav --allow pop3 --active receive-only");
    let list = place.json("mailbox list --domain example.org --json");
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(
        (&list[0]["address"], &list[0]["active"]),
        (&"alice@example.org".into(), &"receive-only".into())
    );
    assert_eq!(list[0]["services"], serde_json::json!(["pop3", "smtp", "sieve", "eas"]));
    assert_eq!((&list[0]["quota_bytes"], &list[1]["quota_bytes"]), (&1_073_741_824_i64.into(), &0.into()));
    place.not_done("mailbox set alice@example.org --deny imap --allow imap", 64, "both allowed and denied");
    place.not_done("mailbox set alice@example.org --deny xmpp", 64, "none of imap");

    place.done("alias add info@example.org --to alice@example.org,x@elsewhere.example --internal on");
    place.not_done("alias add alice@example.org --to bob@example.org", 65, "address of a mailbox");
    place.not_done("alias add a@example.net --to bob@example.org", 65, "no domain example.net");
    place.not_done("alias add loop@example.org --to loop@example.org", 65, "lead to itself");
    place.done("alias set info@example.org --sender-allowed off");
    let aliases = place.json("alias list --json");
    assert_eq!(aliases.as_array().unwrap().len(), 1);
    assert_eq!((&aliases[0]["sender_allowed"], &aliases[0]["internal"]), (&false.into(), &true.into()));
}

#[test]
fn a_mailbox_with_its_own_password_and_one_for_another_person() {
    let place = Place::new("own");
    place.done("domain add example.org");
    let add = ["mailbox", "add", "alice@example.org", "--source", "mailcow", "--scheme", "SSHA512"];
    assert_eq!(place.run_with(&add, "").code, 64, "no password, no mailbox");
    assert_eq!(place.json("mailbox list --json").as_array().unwrap().len(), 0);
    assert_eq!(place.run_with(&add, "s3cret word\n").code, 0);
    assert!(verifies(&stored(&place.0, "mailbox", "password"), "s3cret word"));

    let set = ["mailbox", "set", "alice@example.org", "--password", "--scheme", "SSHA256"];
    assert_eq!(place.run_with(&set, "another\n").code, 0);
    let hash = stored(&place.0, "mailbox", "password");
    assert!(hash.starts_with("{SSHA256}") && verifies(&hash, "another"));
    place.done("mailbox set alice@example.org --source keycloak");
    assert_eq!(stored(&place.0, "mailbox", "password"), hash, "kept");

    place.not_done("mailbox adopt bob@example.org", 65, "there is no mailbox bob@example.org");
    assert!(place.done("mailbox adopt alice@example.org").contains("nobody is remembered"));
    place.done("mailbox adopt alice@example.org --id first-id --keycloak-source main");
    let shown = place.done("mailbox adopt alice@example.org");
    assert!(shown.contains("Keycloak id first-id") && shown.contains("user_replaced"), "{shown}");
    let given = place.done("mailbox adopt alice@example.org --id second-id");
    assert!(given.contains("id first-id") && given.contains("id second-id"), "{given}");
    assert_eq!(
        stored(&place.0, "keydove_person", "source"),
        "main",
        "the same Keycloak, unless told otherwise"
    );
    place.not_done("mailbox adopt alice@example.org --keycloak-source main", 64, "--id");
}

#[test]
fn an_app_password_is_made_shown_once_verified_listed_and_revoked() {
    let place = Place::new("app-password");
    place.done("domain add example.org");
    place.done("mailbox add alice@example.org");
    let made = place.run(
        "app-password add alice@example.org --name phone --service imap,smtp --expires 90d --network 192.0.2.7/24",
    );
    assert_eq!(made.code, 0, "{}", made.err);
    let password = made.out.strip_suffix('\n').unwrap();
    assert!(keydove::auth::app_password_row_id(password.as_bytes()) == Some(1), "not of the form");
    assert!(made.err.contains("app password 1 of alice@example.org") && !made.err.contains(password));
    let hash = stored(&place.0, "app_passwd", "password");
    assert!(hash.starts_with("{SSHA512}") && verifies(&hash, password) && !verifies(&hash, "kd1-aaaaaa"));

    let list = place.json("app-password list alice@example.org --json");
    assert_eq!(list[0]["name"], "phone");
    assert_eq!(list[0]["services"], serde_json::json!(["imap", "smtp"]));
    assert_eq!(list[0]["networks"], serde_json::json!(["192.0.2.0/24"]));
    assert!(list[0]["expires"].as_i64().unwrap() > 1_700_000_000 && list[0]["active"] == true);
    let table = place.done("app-password list alice@example.org");
    assert!(table.lines().nth(1).unwrap().ends_with("never      on"), "{table}");
    assert!(!table.contains(password) && !table.contains("SSHA512"));

    assert_eq!(place.run("app-password add alice@example.org --name tablet").code, 0);
    let list = place.json("app-password list alice@example.org --json");
    assert_eq!(list[0]["services"], serde_json::json!(["imap", "pop3", "smtp", "sieve"]), "no dav, no eas");
    assert!(list[0]["expires"].is_null());

    place.not_done("app-password revoke alice@example.org", 64, "--id <N>");
    place.not_done("app-password revoke alice@example.org --id 1 --all", 64, "cannot be used with");
    place.not_done("app-password revoke alice@example.org --id 9", 65, "has no app password 9");
    let said = place.done("app-password revoke alice@example.org --name phone");
    assert!(said.contains("1 of alice@example.org is revoked") && said.contains("row stays"), "{said}");
    assert!(place.done("app-password revoke alice@example.org --all").contains("app password 2"));
    let table = place.done("app-password list alice@example.org");
    assert_eq!(table.lines().filter(|line| line.ends_with("revoked")).count(), 2, "{table}");

    place.not_done("app-password add bob@example.org --name x", 65, "there is no mailbox bob@example.org");
    place.not_done(
        "app-password add alice@example.org --name x --expires 2020-01-01",
        64,
        "has passed already",
    );
    place.not_done("app-password add alice@example.org --name x --network 192.0.2.0/33", 64, "no network");
    place.not_done("app-password add alice@example.org --name x --service lmtp", 64, "none of imap");
}

#[test]
fn a_wrong_configuration_and_a_missing_folder_have_their_codes() {
    let place = Place::new("codes");
    let config = place.0.join("keydove.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("keydove.sqlite", "none/keydove.sqlite")).unwrap();
    place.not_done("domain list", 70, "none");
    std::fs::write(&config, text.replace("realm", "relm")).unwrap();
    place.not_done("domain list", 78, "did you mean `realm`?");
    std::fs::write(&config, text).unwrap();
    assert_eq!(place.done("domain list").lines().count(), 1);
    place.not_done("check", 78, "cannot read the secret");
}

#[test]
fn shells_complete_every_command_and_each_has_a_man_page() {
    let bare = |line: &str| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_keydove"));
        process.args(line.split(' ')).output().unwrap()
    };
    let help = String::from_utf8(bare("--help").stdout).unwrap();
    let listed = help.split_once("Commands:").unwrap().1.split_once("Options:").unwrap().0;
    let commands: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.contains(&"mailbox") && commands.contains(&"man"), "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let end = bare(&format!("completions {shell}"));
        assert!(end.status.success());
        let script = String::from_utf8(end.stdout).unwrap();
        assert!(commands.iter().all(|name| script.contains(name)), "{shell}");
    }
    // What bash is given must be bash.
    let script = bare("completions bash").stdout;
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(&script).unwrap();
    assert!(bash.wait().unwrap().success());

    let folder = std::env::temp_dir().join(format!("keydove-man-{}", std::process::id()));
    let missing = bare(&format!("man {}", folder.display()));
    assert_eq!(missing.status.code(), Some(70));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("name a folder that is there"));
    std::fs::create_dir(&folder).unwrap();
    assert!(bare(&format!("man {}", folder.display())).status.success());
    let page = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    for command in commands {
        let text = page(&format!("keydove-{command}"));
        assert!(text.contains(".SH NAME") && text.contains(".SH \"EXIT STATUS\""), "{command}");
    }
    assert!(page("keydove-mailbox-add").contains("\\-\\-quota"));
    assert!(page("keydove").contains("keydove\\-explain(1)"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// The one value of a column, read without keydove.
fn stored(folder: &Path, table: &str, column: &str) -> String {
    let connection = rusqlite::Connection::open(folder.join("keydove.sqlite")).unwrap();
    let statement = format!("SELECT {column} FROM {table}");
    connection.query_row(&statement, [], |row| row.get(0)).unwrap()
}

/// Whether `keydove hash --verify` says so.
fn verifies(hash: &str, password: &str) -> bool {
    let mut process = Command::new(env!("CARGO_BIN_EXE_keydove"))
        .args(["hash", "--verify"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    write!(process.stdin.take().unwrap(), "{hash}\n{password}\n").unwrap();
    match process.wait().unwrap().code() {
        Some(0) => true,
        Some(1) => false,
        other => panic!("{other:?}"),
    }
}
