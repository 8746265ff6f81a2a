//! Sentinel, where it says which Redis is the master. No login waits for Redis, so nothing here is a fault.

use super::finding::{Finding, Findings};
use crate::backend::redis::{Redis, SentinelAnswer};
use crate::config::Config;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::of("redis");
    if let Some(settings) = &config.redis
        && let Ok(redis) = Redis::new(settings, config.secrets.redis.duplicate())
    {
        judge(&redis.ask_sentinels().await, &mut findings);
    }
    findings.into_vec()
}

fn judge(answers: &[SentinelAnswer], findings: &mut Findings) {
    let mut masters = Vec::new();
    for (sentinel, answer) in answers {
        match answer {
            Ok(master) => {
                findings.fine(format!("the Sentinel {sentinel} names the master {master}"));
                masters.push(master);
            }
            Err(error) => findings.warning(
                format!("the Sentinel {sentinel} names no master: {error}"),
                "start it, or mend [redis] sentinels and service; where it wants a password, set sentinel_password_file",
            ),
        }
    }
    masters.dedup();
    if masters.len() > 1 {
        findings.warning(
            "the Sentinels name different masters",
            "wait until they have made one the master; if it stays so, see which of them is cut off",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::Error;
    use crate::cli::check::finding::Level;

    #[test]
    fn a_sentinel_that_is_away_and_two_masters_are_warnings() {
        let warnings = |answers: Vec<Result<&str, Error>>| {
            let answers: Vec<_> =
                answers.into_iter().map(|answer| ("s:26379".to_owned(), answer.map(str::to_owned))).collect();
            let mut findings = Findings::of("redis");
            judge(&answers, &mut findings);
            let findings = findings.into_vec();
            assert!(findings.iter().all(|finding| finding.level != Level::Fault));
            findings.iter().filter(|finding| finding.level == Level::Warning).count()
        };
        assert_eq!(warnings(vec![Ok("a:1"), Ok("a:1")]), 0);
        assert_eq!(warnings(vec![Ok("a:1"), Err(Error::Settings("none".to_owned()))]), 1);
        assert_eq!(warnings(vec![Ok("a:1"), Ok("b:1")]), 1);
    }
}
