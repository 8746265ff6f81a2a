//! Sentinel: programs that watch several servers, make one the master, and say which.
//!
//! The crate's own client of Sentinel connects without the bound on answers (`bounded.rs`) and one limit around all of
//! it, so the one question is asked here. A Sentinel that is gone costs its share of the time of one command; whoever
//! answered last is asked first.

use std::sync::Arc;
use std::time::Duration;

use redis::{ProtocolVersion, RedisConnectionInfo, RedisError};
use tokio::time::timeout;

use super::config::Config;
use super::error::Error;
use super::link::{Address, connect};
use super::passwords::{describe, signed_in};
use super::{Place, Redis};
use crate::auth::Secret;

/// A Sentinel's name and port, and the master that it names.
pub type SentinelAnswer = (String, Result<String, Error>);

/// The Sentinels of one master.
pub(super) struct Sentinels {
    /// Whoever answered last is the first.
    addresses: Vec<(String, u16)>,
    service: String,
    settings: RedisConnectionInfo,
    password: Option<Secret>,
    /// How long one may take.
    share: Duration,
}

impl Sentinels {
    pub(super) fn new(config: &Config, password: Option<&Secret>) -> Result<Self, Error> {
        let addresses = config.sentinels();
        // One share is left for the master itself.
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let settings =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        let settings = signed_in(settings, config.sentinel_username.as_ref(), password)?;
        let (service, share) = (config.service().to_owned(), config.timeout.get() / shares);
        Ok(Self { addresses, service, settings, password: password.map(Secret::duplicate), share })
    }

    /// Where the master is, by the word of the first that knows.
    ///
    /// # Errors
    /// That of the last Sentinel.
    pub(super) async fn find_master(&mut self, attempt: &'static str) -> Result<(String, u16), Error> {
        let mut last = None;
        for place in 0..self.addresses.len() {
            match self.ask(attempt, place).await {
                Ok(master) => {
                    self.addresses[..=place].rotate_right(1);
                    return Ok(master);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Settings("`sentinels` is empty".to_owned())))
    }

    async fn ask(&self, attempt: &'static str, place: usize) -> Result<(String, u16), Error> {
        let server = show(&self.addresses[place]);
        let (host, port) = self.addresses[place].clone();
        let unreachable = |detail: String| Error::Unreachable { attempt, server: server.clone(), detail };
        let address = Address::Host(host, port);
        let question = self.question(&address);
        let Ok(answer) = timeout(self.share, question).await else {
            return Err(Error::Timeout { attempt, server, limit: self.share });
        };
        let Some((host, port)) =
            answer.map_err(|error| unreachable(describe(&error, self.password.as_ref())))?
        else {
            return Err(unreachable(format!("this Sentinel knows no master `{}`", self.service)));
        };
        let port = port.parse().map_err(|_| unreachable(format!("this Sentinel names the port `{port}`")))?;
        Ok((host, port))
    }

    async fn question(&self, address: &Address) -> Result<Option<(String, String)>, RedisError> {
        let mut link = connect(address, &self.settings, Arc::default()).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(&self.service);
        command.query_async(&mut link.connection).await
    }
}

impl Redis {
    /// What each Sentinel says, in the order of the settings; nothing where there are none.
    pub async fn ask_sentinels(&self) -> Vec<SentinelAnswer> {
        let Place::Sentinels(sentinels) = &self.place else { return Vec::new() };
        let mut answers = Vec::new();
        for (place, address) in sentinels.addresses.iter().enumerate() {
            let answer = sentinels.ask("asking for the master", place).await;
            answers.push((show(address), answer.map(|master| show(&master))));
        }
        answers
    }
}

fn show((host, port): &(String, u16)) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}
