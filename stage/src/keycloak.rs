//! Keycloak as one system sees it: a server of its own, or a realm of its own at a server that others use too.
//!
//! Of a shared server, a system sees a door of its own, which can be shut: nobody listens there any more, as when the
//! server has stopped, and nobody else notices.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::keycloak_admin::KeycloakAdmin;
use crate::keycloak_server::Server;
pub use crate::keycloak_server::{KEYCLOAK_OF_EVENTS, chosen_version};
use crate::names::{Names, REALM};
use crate::realms::Lease;
use crate::relay::{Conduct, Relay};
use crate::{Result, Stage};

/// A Keycloak that one system has for itself, as far as it can tell.
pub struct Keycloak(Access);

enum Access {
    Own(Server),
    Shared { lease: Lease, door: Relay, encrypted: OnceLock<Relay> },
}

impl Keycloak {
    /// Starts a server of its own without waiting for it.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        Server::start(stage).map(|server| Self(Access::Own(server)))
    }

    /// Opens a door to a leased realm.
    pub(crate) fn join(lease: Lease) -> Result<Self> {
        let door = Relay::start(&lease.server().address())?;
        Ok(Self(Access::Shared { lease, door, encrypted: OnceLock::new() }))
    }

    /// Waits until the realm answers.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        match &mut self.0 {
            Access::Own(server) => server.wait_until_ready(),
            Access::Shared { .. } => Ok(()),
        }
    }

    /// Stops it. From now on its ports refuse connections.
    pub fn stop(&mut self) -> Result<()> {
        match &mut self.0 {
            Access::Own(server) => server.stop(),
            Access::Shared { door, encrypted, .. } => {
                door.shut();
                encrypted.get().into_iter().for_each(Relay::shut);
                Ok(())
            }
        }
    }

    /// Starts it again at the same ports with the same people, without waiting for it.
    pub fn start_again(&mut self) -> Result<()> {
        match &mut self.0 {
            Access::Own(server) => server.start_again(),
            Access::Shared { door, encrypted, .. } => {
                [Some(&*door), encrypted.get()]
                    .into_iter()
                    .flatten()
                    .for_each(|door| door.turn(Conduct::Pass));
                Ok(())
            }
        }
    }

    /// The base address, for `[keycloak] server_url`.
    pub fn url(&self) -> String {
        match &self.0 {
            Access::Own(server) => format!("http://{}", server.address()),
            Access::Shared { door, .. } => door.url(),
        }
    }

    /// The base address with TLS.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub fn https_url(&self) -> String {
        let port = match &self.0 {
            Access::Own(server) => server.https_port(),
            Access::Shared { lease, encrypted, .. } => {
                let start = || Relay::start(&format!("127.0.0.1:{}", lease.server().https_port()));
                encrypted.get_or_init(|| crate::lazy::must("a relay", start())).port()
            }
        };
        format!("https://localhost:{port}")
    }

    /// The authority to trust for it, for `ca_file`.
    pub fn authority(&self) -> &Path {
        self.server().authority()
    }

    /// What cases' names stand for.
    pub fn names(&self) -> Names {
        match &self.0 {
            Access::Own(_) => Names::default(),
            Access::Shared { lease, .. } => lease.names(),
        }
    }

    /// Its administrator. Nothing is sent yet.
    pub fn admin(&self) -> KeycloakAdmin {
        let address = self.server().address();
        match &self.0 {
            Access::Own(_) => KeycloakAdmin::at(&address, REALM, &Arc::default()),
            Access::Shared { lease, door, .. } => {
                KeycloakAdmin::at(&address, &self.names().realm(REALM), lease.token())
                    .with_blanks(lease.blanks())
                    .lent(self.names(), &door.address(), lease.changes())
            }
        }
    }

    /// A relay to it that behaves in this way.
    pub fn relay(&self, conduct: Conduct) -> Result<Relay> {
        let relay = Relay::start(self.url().trim_start_matches("http://"))?;
        relay.turn(conduct);
        Ok(relay)
    }

    /// The folder with its authority, certificate and key.
    pub(crate) fn tls_folder(&self) -> PathBuf {
        self.server().tls_folder()
    }

    pub(crate) fn server(&self) -> &Server {
        match &self.0 {
            Access::Own(server) => server,
            Access::Shared { lease, .. } => lease.server(),
        }
    }
}
