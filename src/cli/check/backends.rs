//! The machines that mailboxes live on: do they answer, and does each mailbox have one of them?

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::finding::{Finding, Findings};
use crate::backend::mail_hosts::{MailHostConfig, candidates};
use crate::backend::sql;
use crate::backend::sql::Placements;
use crate::config::Config;

/// As long as the daemon waits.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("backends");
    let hosts = &config.mail_hosts;
    if hosts.is_empty() {
        return findings.into_vec();
    }
    for host in hosts.iter().filter(|host| config.backends.this.as_ref() != Some(&host.name)) {
        match knock(host) {
            Ok(address) => findings.fine(format!("the backend {} answers at {address}", host.name)),
            Err(why) => findings.fault(
                format!("the backend {} does not answer ({why}): its mailboxes cannot be opened", host.name),
                "start its Dovecot, or mend host and imap of its [[backend]]",
            ),
        }
    }
    match placements(config).await {
        Ok(placements) => judge(hosts, &placements, &mut findings),
        Err(error) => findings.fault(
            format!("it is not known where mailboxes live: {error}"),
            "give the database user its rights: keydove grants",
        ),
    }
    findings.into_vec()
}

async fn placements(config: &Config) -> Result<Placements, sql::Error> {
    let password = config.secrets.duplicate().database_password;
    let database = sql::open_to_read(&config.storage, password).await?;
    let database = database.with_candidates(candidates(&config.mail_hosts));
    let placements = database.placements().await;
    database.close().await;
    placements
}

fn judge(hosts: &[MailHostConfig], placements: &Placements, findings: &mut Findings) {
    for (backend, count) in &placements.mailboxes {
        match hosts.iter().any(|host| host.name == *backend) {
            true => findings.fine(format!("{count} mailboxes live on {backend}")),
            false => findings.fault(
                format!("{count} mailboxes live on {backend}, and no [[backend]] has this name: they cannot be opened"),
                format!("put the [[backend]] back, or copy the mail and run: keydove backend move --all {backend} TO"),
            ),
        }
    }
    let is_free = |host: &&MailHostConfig| host.weight > 0 && !placements.drained.contains(&host.name);
    if !hosts.iter().any(|host| is_free(&host)) {
        findings.fault(
            "no backend gets new mailboxes: each is drained or has weight 0",
            "keydove backend undrain NAME, or a weight above 0",
        );
    }
}

fn knock(host: &MailHostConfig) -> Result<SocketAddr, String> {
    let addresses = (host.host.as_str(), host.checked_port()).to_socket_addrs();
    let mut why = "its name has no address".to_owned();
    for address in addresses.map_err(|error| error.to_string())? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(address),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::finding::Level;

    #[test]
    fn mailboxes_of_no_backend_and_no_room_for_new_ones_are_faults() {
        let hosts: [MailHostConfig; 1] = [toml::from_str("name = 'b1'\nhost = '192.0.2.1'").unwrap()];
        let faults = |mailboxes: &[(&str, u64)], drained: &[&str]| {
            let mut findings = Findings::of("backends");
            let mailboxes = mailboxes.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            let drained = drained.iter().map(|name| (*name).to_owned()).collect();
            judge(&hosts, &Placements { mailboxes, drained }, &mut findings);
            findings.into_vec().iter().filter(|finding| finding.level == Level::Fault).count()
        };
        assert_eq!(faults(&[("b1", 3)], &[]), 0);
        assert_eq!(faults(&[("b1", 3), ("old", 1)], &[]), 1);
        assert_eq!(faults(&[], &["b1"]), 1);
    }
}
