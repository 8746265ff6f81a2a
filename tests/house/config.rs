//! What the configuration says to mistakes, to the letter.
//!
//! Each `tests/config/bad/NAME.toml` lies beside `NAME.stderr`, the message it must give. `BLESS=1` writes the
//! messages anew, for a reader to judge.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keydove::config::Config;

fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// The text with a secret that exists: git does not keep the mode that a secret must have.
fn read(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap().replace("@SECRET@", &secret().display().to_string());
    text.replace("@MASTERS@", &master_users().display().to_string())
}

/// A file of master users that exists.
fn master_users() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| write_private("masters", b"admin:{PLAIN}pw\n"))
}

pub fn secret() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| write_private("house", b"s3cret s3cret s3cret\n"))
}

pub fn write_private(name: &str, content: &[u8]) -> PathBuf {
    // Of the same length each time, because carets are as long as what they point at.
    let path = std::env::temp_dir().join(format!("keydove-{name}-{:05}", std::process::id() % 100_000));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
    file.write_all(content).unwrap();
    path
}

#[test]
fn good_files_are_taken() {
    for path in files("good") {
        if let Err(error) = Config::parse(&path, &read(&path)) {
            panic!("{error}");
        }
    }
}

/// As it is shipped, but for where the secrets are.
#[test]
fn the_file_for_mailcow_is_taken() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("mailcow/keydove.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for name in ["database-password", "redis-password", "sogo-sso"] {
        let there = format!("/etc/keydove/{name}");
        assert!(text.contains(&there), "{name}");
        text = text.replace(&there, &secret().display().to_string());
    }
    let config = match Config::parse(&path, &text) {
        Ok(config) => config,
        Err(error) => panic!("{error}"),
    };
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.setting.as_str()).collect();
    assert_eq!(warnings, ["http_login.shadow_tls_verify"]);
}

#[test]
fn every_mistake_is_shown_with_its_place_and_advice() {
    let bless = std::env::var_os("BLESS").is_some();
    let files = files("bad");
    assert!(files.len() >= 20, "the bad examples were not found");
    for path in files {
        let name = PathBuf::from(path.file_name().unwrap());
        let message = match Config::parse(&name, &read(&path)) {
            Ok(_) => panic!("{} was taken", path.display()),
            Err(error) => format!("{error}\n").replace(&secret().display().to_string(), "@SECRET@"),
        };
        assert!(!message.contains("hunter2"), "{}: a secret is shown:\n{message}", path.display());
        let expected = path.with_extension("stderr");
        if bless {
            std::fs::write(&expected, &message).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(message, expected, "{}", path.display());
    }
}
