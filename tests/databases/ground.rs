//! Where a test has its database.

use std::path::{Path, PathBuf};

use keydove::auth::Secret;
use keydove::backend::sql::{Config, Database, open};

use super::mariadb::{DATABASE, MariadbServer, USER};

/// A folder that goes with the test. Short, because a socket's path may have 107 bytes.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("keydove-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) async fn connect(server: &MariadbServer) -> Database {
    connect_with(server, "timeout = '30s'").await
}

pub(super) async fn connect_with(server: &MariadbServer, more: &str) -> Database {
    let (user, password) = USER;
    let socket = server.socket();
    let text = format!(
        "[mariadb]\nsocket = '{}'\nuser = '{user}'\ndatabase = '{DATABASE}'\n{more}",
        socket.display()
    );
    let config: Config = toml::from_str(&text).unwrap();
    open(&config, Some(Secret::from(password))).await.unwrap()
}

/// keydove's database in a new file of the folder, and where that is.
pub(super) async fn open_sqlite(folder: &Folder) -> (Database, PathBuf) {
    let path = folder.path().join("keydove.sqlite");
    let config: Config = toml::from_str(&format!("[sqlite]\npath = '{}'", path.display())).unwrap();
    (open(&config, None).await.unwrap(), path)
}
