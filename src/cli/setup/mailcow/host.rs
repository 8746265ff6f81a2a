//! A mailcow on this machine, as its `mailcow.conf` describes it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::super::storage::Failure;
use super::super::change::State;
use super::super::files;

/// Where mailcow is mostly installed.
pub(in super::super) const USUAL: &str = "/opt/mailcow-dockerized";
const CONF: &str = "mailcow.conf";
const SSO: &str = "data/conf/phpfpm/sogo-sso/sogo-sso.pass";
/// Docker Compose takes the first that is there.
const OVERRIDES: [&str; 4] = [
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
    "compose.override.yml",
    "compose.override.yaml",
];
/// What mailcow's `docker-compose.yml` says where `mailcow.conf` says nothing.
const NETWORK: &str = "172.22.1";
const SQL_PORT: &str = "127.0.0.1:13306";
const REDIS_PORT: &str = "127.0.0.1:7654";

/// mailcow, as far as keydove meets it.
pub(super) struct Host {
    pub(super) folder: PathBuf,
    /// The first three numbers of the containers' network.
    pub(super) network: String,
    /// Where the host reaches MariaDB, and Redis.
    pub(super) sql: SocketAddr,
    pub(super) redis: SocketAddr,
    pub(super) redis_password: String,
    /// That of the database, where the container does not know it.
    pub(super) root_password: Option<Zeroizing<String>>,
    pub(super) database: String,
    /// The file with SOGo's secret, unless mailcow runs without SOGo.
    pub(super) sogo_secret: Option<PathBuf>,
    /// The command is `docker-compose`, not `docker compose`.
    pub(super) is_standalone: bool,
    /// What is added to mailcow's own `docker-compose.yml`.
    pub(super) compose_override: PathBuf,
}

impl Host {
    /// The usual folder, if a mailcow is there.
    pub(in super::super) fn usual() -> Option<PathBuf> {
        Path::new(USUAL).join(CONF).is_file().then(|| USUAL.into())
    }

    /// Reads `mailcow.conf`, and looks for the override.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(CONF);
        let State::File { text, .. } = files::read(&path)? else {
            return Err(Failure::Data(format!(
                "there is no {}: --mailcow names mailcow's own folder, where mailcow.conf and docker-compose.yml are",
                path.display()
            )));
        };
        let conf = Conf::parse(&path, &text);
        let network = conf.network()?;
        let has_sogo = !matches!(conf.get("SKIP_SOGO"), Some("y" | "Y"));
        let secret = folder.join(SSO);
        if has_sogo && files::read(&secret)? == State::Absent {
            return Err(Failure::Data(format!(
                "there is no {}, which mailcow makes when its Dovecot starts: start mailcow first (`docker compose up -d`)",
                secret.display()
            )));
        }
        Ok(Self {
            folder: folder.to_owned(),
            network,
            sql: conf.address("SQL_PORT", SQL_PORT)?,
            redis: conf.address("REDIS_PORT", REDIS_PORT)?,
            redis_password: conf.needed("REDISPASS", "Redis wants it from whoever connects")?.to_owned(),
            root_password: conf.get("DBROOT").map(|password| Zeroizing::new(password.to_owned())),
            database: conf.database()?,
            sogo_secret: has_sogo.then_some(secret),
            is_standalone: conf.get("DOCKER_COMPOSE_VERSION") == Some("standalone"),
            compose_override: find_override(folder)?,
        })
    }

    /// The host's own address in the containers' network, where keydove listens.
    pub(super) fn own_address(&self) -> String {
        format!("{}.1", self.network)
    }
}

/// mailcow's web server, as far as a site beside it needs to know.
#[derive(Debug)]
pub(in super::super) struct Web {
    pub(in super::super) folder: PathBuf,
    /// Its own name.
    pub(in super::super) hostname: Option<String>,
    pub(in super::super) https_port: String,
    network: String,
}

impl Web {
    /// Reads `mailcow.conf`.
    pub(in super::super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(CONF);
        let State::File { text, .. } = files::read(&path)? else {
            return Err(Failure::Data(format!(
                "there is no {}: --mailcow names mailcow's own folder",
                path.display()
            )));
        };
        let conf = Conf::parse(&path, &text);
        Ok(Self {
            folder: folder.to_owned(),
            hostname: conf.get("MAILCOW_HOSTNAME").map(str::to_lowercase),
            https_port: conf.get("HTTPS_PORT").unwrap_or("443").to_owned(),
            network: conf.network()?,
        })
    }

    /// The host's own address in the containers' network.
    pub(in super::super) fn own_address(&self) -> String {
        format!("{}.1", self.network)
    }

    /// The containers' network.
    pub(in super::super) fn containers(&self) -> String {
        format!("{}.0/24", self.network)
    }

    /// For tests: as mailcow is installed.
    #[cfg(test)]
    pub(in super::super) fn sample() -> Self {
        Self {
            folder: USUAL.into(),
            hostname: Some("mail.example.org".to_owned()),
            https_port: "443".to_owned(),
            network: NETWORK.to_owned(),
        }
    }
}

fn find_override(folder: &Path) -> Result<PathBuf, Failure> {
    let there: Vec<PathBuf> =
        OVERRIDES.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    match &there[..] {
        [] => Ok(folder.join(OVERRIDES[0])),
        [one] => Ok(one.clone()),
        [one, other, ..] => Err(Failure::Data(format!(
            "both {} and {} are there, and Docker Compose reads one of them; make one of the two",
            one.display(),
            other.display()
        ))),
    }
}

/// The assignments of `mailcow.conf`, each with its line.
struct Conf<'a> {
    path: &'a Path,
    values: BTreeMap<&'a str, (usize, &'a str)>,
}

impl<'a> Conf<'a> {
    /// The last assignment of a name counts.
    fn parse(path: &'a Path, text: &'a str) -> Self {
        let line = |(number, line): (usize, &'a str)| {
            let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
            let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            Some((name.trim(), (number + 1, unquoted(value.trim()))))
        };
        Self { path, values: text.lines().enumerate().filter_map(line).collect() }
    }

    /// A value that says something.
    fn get(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(|(_, value)| *value).filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &str, why: &str) -> Result<&'a str, Failure> {
        self.get(name).ok_or_else(|| {
            let place = match self.values.get(name) {
                Some((line, _)) => format!("{}:{line}: {name} is empty", self.path.display()),
                None => format!("{}: {name} is not set", self.path.display()),
            };
            Failure::Data(format!("{place}; {why}, and mailcow's update.sh sets it"))
        })
    }

    /// The value is shown: no secret is read so.
    fn wrong(&self, name: &str, value: &str, right: &str) -> Failure {
        let line = self.values.get(name).map_or(0, |(line, _)| *line);
        Failure::Data(format!("{}:{line}: {name} is \"{value}\", and should be {right}", self.path.display()))
    }

    fn network(&self) -> Result<String, Failure> {
        let value = self.get("IPV4_NETWORK").unwrap_or(NETWORK);
        match format!("{value}.1").parse::<Ipv4Addr>() {
            Ok(_) => Ok(value.to_owned()),
            Err(_) => Err(self.wrong("IPV4_NETWORK", value, "three numbers such as 172.22.1")),
        }
    }

    /// Where a published port is reached from this host.
    fn address(&self, name: &str, default: &str) -> Result<SocketAddr, Failure> {
        let value = self.get(name).unwrap_or(default);
        let (host, port) = value.rsplit_once(':').unwrap_or(("127.0.0.1", value));
        let host = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let address = host.ok().zip(port.parse().ok()).map(|(host, port)| {
            // A port of all addresses is one of loopback too.
            let host = if host.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { host };
            SocketAddr::new(host, port)
        });
        address.ok_or_else(|| self.wrong(name, value, &format!("an address and a port such as {default}")))
    }

    fn database(&self) -> Result<String, Failure> {
        let name = self.needed("DBNAME", "it names mailcow's database")?;
        match name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            true => Ok(name.to_owned()),
            false => Err(self.wrong("DBNAME", name, "of ASCII letters, digits and any of -_.")),
        }
    }
}

/// As Docker Compose reads a value.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.rsplit_once(quote)) {
            return inner;
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str =
        "# mailcow\nDBNAME=mailcow\nREDISPASS=s3cret\nIPV4_NETWORK=10.9.8\nSQL_PORT=127.0.0.1:3307\n";

    fn read(text: &str) -> Result<(String, SocketAddr, SocketAddr, String), String> {
        let conf = Conf::parse(Path::new("/m/mailcow.conf"), text);
        let all = || {
            conf.needed("REDISPASS", "why")?;
            Ok((
                conf.network()?,
                conf.address("SQL_PORT", SQL_PORT)?,
                conf.address("REDIS_PORT", REDIS_PORT)?,
                conf.database()?,
            ))
        };
        all().map_err(|error: Failure| error.to_string())
    }

    #[test]
    fn values_are_read_and_defaults_are_mailcows() {
        let (network, sql, redis, database) = read(CONF).unwrap();
        assert_eq!((&*network, &*database), ("10.9.8", "mailcow"));
        assert_eq!((sql.to_string(), redis.to_string()), ("127.0.0.1:3307".into(), REDIS_PORT.into()));
        let bare =
            read("DBNAME='mc'\nREDISPASS=\"x\"\nSQL_PORT=13306\nREDIS_PORT=0.0.0.0:7 # all\n").unwrap();
        assert_eq!((bare.0, bare.1.to_string()), (NETWORK.into(), SQL_PORT.into()));
        assert_eq!((bare.2.to_string(), bare.3), ("127.0.0.1:7".into(), "mc".into()));
    }

    #[test]
    fn what_is_wrong_or_missing_is_named_with_its_line() {
        for (text, said) in [
            (
                "IPV4_NETWORK=172.22",
                "/m/mailcow.conf:6: IPV4_NETWORK is \"172.22\", and should be three numbers",
            ),
            ("IPV4_NETWORK=172.22.1.0/24", "IPV4_NETWORK is \"172.22.1.0/24\""),
            ("SQL_PORT=localhost:1", ":6: SQL_PORT is \"localhost:1\", and should be an address and a port"),
            ("REDIS_PORT=127.0.0.1:", ":6: REDIS_PORT is \"127.0.0.1:\""),
            ("DBNAME=a`b", "DBNAME is \"a`b\""),
            ("DBNAME=", ":6: DBNAME is empty"),
            ("REDISPASS=", ":6: REDISPASS is empty"),
        ] {
            let trouble = read(&format!("{CONF}{text}\n")).unwrap_err();
            assert!(trouble.contains(said), "{text}: {trouble}");
        }
        assert!(read("DBNAME=x\n").unwrap_err().contains("mailcow.conf: REDISPASS is not set"));
    }
}
