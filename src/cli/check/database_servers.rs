//! The servers of a Galera cluster: does each answer, is it ready, and does it keep what it has committed?

use super::finding::Findings;
use crate::backend::sql::{Database, Server, ServerState};

/// keydove uses another server, so logins go on.
const GONE: &str =
    "look at its log (journalctl -u mariadb) and at the network in between; keydove uses the next of `hosts`";
const UNREADY: &str = "SHOW STATUS LIKE 'wsrep%' there; a server without a majority comes back by itself when it reaches the \
                       others";
const NO_GALERA: &str =
    "load Galera there (wsrep_on, wsrep_provider), or take it out of [storage.mariadb] hosts";
const FLUSH: &str = "innodb_flush_log_at_trx_commit = 1 in its configuration, on each server of the cluster";

/// `is_cluster`: whether the servers are those of `hosts`.
pub(super) async fn look(database: &Database, is_cluster: bool, findings: &mut Findings) {
    for server in database.servers().await {
        tell(&server, is_cluster, findings);
    }
}

fn tell(Server { place, state }: &Server, is_cluster: bool, findings: &mut Findings) {
    match state {
        Ok(state) if state.has_galera => tell_state(place, state, findings),
        // A single server needs none; whether it answers is looked at anyway.
        _ if !is_cluster => {}
        Ok(_) => {
            let what = format!("server {place} runs without Galera: keydove does not use it");
            findings.warning(what, NO_GALERA);
        }
        Err(why) => findings.warning(format!("server {place} of the cluster does not answer: {why}"), GONE),
    }
}

fn tell_state(place: &str, state: &ServerState, findings: &mut Findings) {
    let ServerState { is_ready, cluster_status, cluster_size, flush, .. } = state;
    if *is_ready && cluster_status == "Primary" {
        findings.fine(format!("server {place} is ready, in a cluster of {cluster_size}"));
    } else {
        let ready = if *is_ready { "ON" } else { "OFF" };
        let what = format!(
            "server {place} is not ready (wsrep_ready={ready}, wsrep_cluster_status={cluster_status}): it has lost its cluster, or \
             is joining it"
        );
        findings.warning(what, UNREADY);
    }
    if flush != "1" {
        let what = format!(
            "server {place} has innodb_flush_log_at_trx_commit={flush}: servers that crash shortly after each other lose what \
             they have committed, such as revocations"
        );
        findings.warning(what, FLUSH);
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::show;
    use super::*;

    fn state() -> ServerState {
        let cluster_status = "Primary".to_owned();
        ServerState {
            has_galera: true,
            is_ready: true,
            cluster_status,
            cluster_size: 3,
            flush: "1".to_owned(),
        }
    }

    fn told(state: Result<ServerState, String>, is_cluster: bool) -> String {
        let mut findings = Findings::of("database");
        tell(&Server { place: "db2:3306".to_owned(), state }, is_cluster, &mut findings);
        show(&findings.into_vec())
    }

    #[test]
    fn each_trouble_of_a_server_is_told_with_its_name() {
        assert_eq!(told(Ok(state()), true), "database:\n  server db2:3306 is ready, in a cluster of 3");
        let lost = ServerState { is_ready: false, cluster_status: "non-Primary".to_owned(), ..state() };
        for (state, words) in [
            (
                Err("no answer within 2s".to_owned()),
                "warning: server db2:3306 of the cluster does not answer: no answer within 2s",
            ),
            (Ok(lost), "wsrep_ready=OFF, wsrep_cluster_status=non-Primary"),
            (Ok(ServerState { has_galera: false, ..state() }), "server db2:3306 runs without Galera"),
            (
                Ok(ServerState { flush: "2".to_owned(), ..state() }),
                "server db2:3306 has innodb_flush_log_at_trx_commit=2",
            ),
        ] {
            let text = told(state, true);
            assert!(text.contains(words) && text.contains("warning: ") && text.contains("-> "), "{text}");
        }
    }

    #[test]
    fn a_single_server_without_galera_is_not_spoken_of() {
        for state in
            [Ok(ServerState { has_galera: false, flush: "2".to_owned(), ..state() }), Err("down".to_owned())]
        {
            assert_eq!(told(state, false), "");
        }
    }
}
