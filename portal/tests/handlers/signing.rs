//! Apple's profile with a signature, held against `openssl cms -verify`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::double::PASSWORD;
use super::{DaemonDouble, Portal};

const FORM: &str = "name=My+Mac&services=imap&services=smtp&days=30&program=apple";

/// A folder with an authority, and a certificate of it; it goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, kind: &[&str], days: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keydove-signing-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        let new = |name: &str, more: &[&str]| {
            let (key, certificate, subject) =
                (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name} of the test"));
            let first = ["req", "-x509", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &certificate];
            folder.openssl(&[&first[..], kind, more].concat());
        };
        new("authority", &["-days", "30"]);
        new("profile", &["-days", days, "-CA", "authority.pem", "-CAkey", "authority.key"]);
        folder
    }

    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).current_dir(&self.0).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn setting(&self, key: &str) -> String {
        format!(
            "[apple]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
            self.path("profile.pem"),
            self.path(key)
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn portal(more: &str) -> Portal {
    Portal::with(DaemonDouble::of_alice(), "http://127.0.0.1:1/realms/mail", more)
}

#[tokio::test]
async fn a_profile_is_signed_with_the_administrators_certificate() {
    let unsigned = portal("").post("/app-passwords", FORM).await;
    assert!(unsigned.body.starts_with("<?xml") && unsigned.has(PASSWORD));
    for (name, kind) in [
        ("rsa", &["-newkey", "rsa:2048"][..]),
        ("ec", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]),
    ] {
        let folder = Folder::new(name, kind, "30");
        let answer = portal(&folder.setting("profile.key")).post("/app-passwords", FORM).await;
        assert_eq!(answer.headers["content-type"], "application/x-apple-aspen-config", "{name}");
        std::fs::write(folder.0.join("signed"), &answer.bytes).unwrap();
        let verify = [
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            "signed",
            "-purpose",
            "any",
            "-CAfile",
            "authority.pem",
        ];
        assert_eq!(String::from_utf8(folder.openssl(&verify)).unwrap(), unsigned.body, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_signed_goes_out_unsigned_because_nobody_sees_its_password_again() {
    let folder = Folder::new("unfit", &["-newkey", "rsa:2048"], "3");
    // Another one's key, no key, no program.
    let no_program = format!("{}openssl = \"/nowhere/openssl\"\n", folder.setting("profile.key"));
    for more in [folder.setting("authority.key"), folder.setting("nothing.key"), no_program] {
        let answer = portal(&more).post("/app-passwords", FORM).await;
        assert!(answer.body.starts_with("<?xml") && answer.has(PASSWORD), "{more}");
    }
}

#[tokio::test]
async fn check_says_what_is_wrong_with_the_certificate() {
    let folder = Folder::new("checked", &["-newkey", "rsa:2048"], "3");
    let signing = |key: &str| {
        let text = include_str!("../../../packaging/portal/keydove-portal.toml");
        let text = format!("{text}\n{}", folder.setting(key));
        let config = keydove_portal::config::Config::parse(Path::new("p.toml"), &text).unwrap();
        keydove_portal::signing::Signing::new(&config.apple.unwrap()).unwrap()
    };
    let warning = signing("profile.key").check().await.unwrap().unwrap();
    assert!(warning.contains("ends within 30 days") && warning.contains("profile.pem"), "{warning}");
    let fault = signing("authority.key").check().await.unwrap_err().to_string();
    assert!(fault.contains("profile.pem"), "{fault}");
}
