//! keydove's systemd unit, as far as commands need it: who runs the service, which credentials it is given, and what
//! its sandbox hides. The files are read as systemd reads them; systemd itself need not run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The service's name.
pub const SERVICE: &str = "keydove.service";
/// Where systemd looks, in order.
const FOLDERS: [&str; 7] = [
    "/etc/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// What a unit without `--config` reads.
const DEFAULT_CONFIG: &str = "/etc/keydove/keydove.toml";

/// The `[Service]` section of the unit, with its drop-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    file: PathBuf,
    settings: BTreeMap<String, Vec<String>>,
}

impl Unit {
    /// The unit that serves this configuration; `None` where there is none.
    #[must_use]
    pub fn find(config: &Path) -> Option<Self> {
        Self::find_in(&folders()).filter(|unit| unit.serves(config))
    }

    fn find_in(folders: &[PathBuf]) -> Option<Self> {
        let file = folders.iter().map(|folder| folder.join(SERVICE)).find(|file| file.is_file())?;
        let mut settings = BTreeMap::new();
        read(&fs::read_to_string(&file).ok()?, &mut settings);
        // By name, whatever folder they are in; the first folder's counts.
        let mut drop_ins = BTreeMap::new();
        for folder in folders.iter().rev() {
            let inside = fs::read_dir(folder.join(format!("{SERVICE}.d")));
            for entry in inside.into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "conf") {
                    drop_ins.insert(entry.file_name(), entry.path());
                }
            }
        }
        for path in drop_ins.into_values() {
            read(&fs::read_to_string(path).unwrap_or_default(), &mut settings);
        }
        Some(Self { file, settings })
    }

    /// Its main file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The last value of a setting.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.last().map(String::as_str)
    }

    /// All values of a setting.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.settings.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether a setting is yes or one of these words.
    #[must_use]
    pub fn has(&self, name: &str, words: &[&str]) -> bool {
        self.setting(name).is_some_and(|value| words.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Why the service cannot see a file that its user could read, as a setting of the unit.
    #[must_use]
    pub fn hides(&self, path: &Path) -> Option<&'static str> {
        let homes = ["/home", "/root", "/run/user"];
        let is_in = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        if self.has("ProtectHome", &["yes", "true", "1", "on", "tmpfs"]) && is_in(&homes) {
            return Some("ProtectHome");
        }
        if self.has("PrivateTmp", &["yes", "true", "1", "on", "disconnected"]) && is_in(&["/tmp", "/var/tmp"])
        {
            return Some("PrivateTmp");
        }
        let hidden = self.all("InaccessiblePaths").flat_map(str::split_whitespace);
        let hides = |hidden: &str| path.starts_with(hidden.trim_start_matches(['-', '+']));
        hidden.into_iter().any(hides).then_some("InaccessiblePaths")
    }

    /// Why the service cannot write there although its user could, as a setting of the unit.
    #[must_use]
    pub fn forbids_writing(&self, path: &Path) -> Option<&'static str> {
        if let Some(setting) = self.hides(path) {
            return Some(setting);
        }
        let strict = self.has("ProtectSystem", &["strict"]);
        let full = self.has("ProtectSystem", &["full"]) && path.starts_with("/etc");
        let some = self.has("ProtectSystem", &["yes", "true", "1", "on", "full"])
            && ["/usr", "/boot", "/efi"].iter().any(|folder| path.starts_with(folder));
        let listed = self.all("ReadWritePaths").flat_map(str::split_whitespace);
        let is_listed =
            listed.into_iter().any(|listed| path.starts_with(listed.trim_start_matches(['-', '+'])));
        let is_apart =
            ["/dev", "/proc", "/sys", "/tmp", "/var/tmp"].iter().any(|apart| path.starts_with(apart));
        (!self.makes(path) && !is_listed && (full || some || strict && !is_apart)).then_some("ProtectSystem")
    }

    /// Whether a path is in a folder that systemd makes for the service at each start, and gives to its user.
    #[must_use]
    pub fn makes(&self, path: &Path) -> bool {
        let folders = [
            ("StateDirectory", "/var/lib"),
            ("RuntimeDirectory", "/run"),
            ("CacheDirectory", "/var/cache"),
            ("LogsDirectory", "/var/log"),
        ];
        folders.iter().any(|(setting, base)| {
            let names = self.all(setting).flat_map(str::split_whitespace);
            names.into_iter().any(|name| path.starts_with(Path::new(base).join(name)))
        })
    }

    /// A unit of the same name may serve another configuration.
    fn serves(&self, config: &Path) -> bool {
        let same = |one: &Path| {
            let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            whole(one) == whole(config)
        };
        let started = self.setting("ExecStart").unwrap_or_default();
        let mut words = started.split_whitespace();
        while let Some(word) = words.next() {
            if word == "--config" {
                return words.next().is_some_and(|path| same(Path::new(path)));
            }
            if let Some(path) = word.strip_prefix("--config=") {
                return same(Path::new(path));
            }
        }
        same(Path::new(DEFAULT_CONFIG))
    }
}

/// As systemd is told to look elsewhere; an empty last part stands for the usual folders.
#[expect(clippy::disallowed_methods, reason = "systemd's own way to say where units are")]
fn folders() -> Vec<PathBuf> {
    let usual = || FOLDERS.iter().map(PathBuf::from);
    match std::env::var("SYSTEMD_UNIT_PATH") {
        Ok(path) if !path.is_empty() => {
            let own = path.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
            let rest = path.ends_with(':').then(usual);
            own.chain(rest.into_iter().flatten()).collect()
        }
        _ => usual().collect(),
    }
}

/// Adds the lines of `[Service]`. An empty value takes back what was said before.
fn read(text: &str, settings: &mut BTreeMap<String, Vec<String>>) {
    let mut is_service = false;
    let mut whole = String::new();
    for line in text.lines() {
        let line = line.trim();
        if whole.is_empty() && (line.is_empty() || line.starts_with(['#', ';'])) {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            whole.push_str(part);
            whole.push(' ');
            continue;
        }
        whole.push_str(line);
        let line = std::mem::take(&mut whole);
        if line.starts_with('[') {
            is_service = line == "[Service]";
        } else if let (true, Some((name, value))) = (is_service, line.split_once('=')) {
            let values = settings.entry(name.trim().to_owned()).or_default();
            match value.trim() {
                "" => values.clear(),
                value => values.push(value.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> Unit {
        let mut settings = BTreeMap::new();
        read(text, &mut settings);
        Unit { file: PathBuf::from("x"), settings }
    }

    #[test]
    fn a_unit_is_read_as_systemd_reads_it() {
        let unit = unit(
            "[Unit]\nUser=nobody\n[Service]\n# a comment\nUser=keydove\nLoadCredential=a:/a\nLoadCredential=\n\
             LoadCredential=b:/b\nExecStart=/usr/bin/keydove serve \\\n  --config /x.toml\n[Install]\nUser=other\n",
        );
        assert_eq!(unit.setting("User"), Some("keydove"));
        assert_eq!(unit.all("LoadCredential").collect::<Vec<_>>(), ["b:/b"]);
        assert!(unit.serves(Path::new("/x.toml")) && !unit.serves(Path::new("/etc/keydove/keydove.toml")));
    }

    #[test]
    fn drop_ins_come_after_the_unit_in_the_order_of_their_names() {
        let folder = std::env::temp_dir().join(format!("keydove-unit-{}", std::process::id()));
        let (own, shipped) = (folder.join("own"), folder.join("shipped"));
        fs::create_dir_all(own.join("keydove.service.d")).unwrap();
        fs::create_dir_all(shipped.join("keydove.service.d")).unwrap();
        fs::write(shipped.join(SERVICE), "[Service]\nUser=a\nGroup=g\n").unwrap();
        fs::write(shipped.join("keydove.service.d/9.conf"), "[Service]\nUser=shadowed\n").unwrap();
        fs::write(own.join("keydove.service.d/9.conf"), "[Service]\nUser=c\n").unwrap();
        fs::write(own.join("keydove.service.d/1.conf"), "[Service]\nUser=b\n").unwrap();
        let unit = Unit::find_in(&[own, shipped]).unwrap();
        assert_eq!((unit.setting("User"), unit.setting("Group")), (Some("c"), Some("g")));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_the_sandbox_hides_is_named() {
        let unit = unit(
            "[Service]\nProtectHome=yes\nPrivateTmp=yes\nProtectSystem=strict\nStateDirectory=keydove\n\
             ReadWritePaths=/srv/mail\n",
        );
        assert_eq!(unit.hides(Path::new("/home/admin/ca.pem")), Some("ProtectHome"));
        assert_eq!(unit.hides(Path::new("/tmp/ca.pem")), Some("PrivateTmp"));
        assert_eq!(unit.hides(Path::new("/etc/keydove/ca.pem")), None);
        assert_eq!(unit.forbids_writing(Path::new("/var/lib/keydove/keydove.sqlite")), None);
        assert!(unit.makes(Path::new("/var/lib/keydove")) && !unit.makes(Path::new("/var/lib/keydove-2")));
        assert_eq!(unit.forbids_writing(Path::new("/srv/mail/keydove.sqlite")), None);
        assert_eq!(unit.forbids_writing(Path::new("/srv/keydove.sqlite")), Some("ProtectSystem"));
        assert_eq!(unit.forbids_writing(Path::new("/home/a/keydove.sqlite")), Some("ProtectHome"));
    }
}
