//! People who are gone: counted over several runs, confirmed one by one, and switched off if they are not too many.

use super::Trouble;
use super::run::Run;
use super::walk::Walked;
use crate::auth::Username;
use crate::backend::keycloak::{Client, Whereabouts};
use crate::backend::kick::kick_and_tell;
use crate::backend::sql::{Remembered, SwitchOff};

/// Rows of one question.
const ROWS: usize = 500;

/// What the rows say.
#[derive(Debug, Default)]
struct Absent {
    /// Mailboxes that are on.
    in_all: u64,
    /// They have been missing for long enough.
    due: Vec<Remembered>,
}

impl Run<'_> {
    /// Looks for people who are gone from this Keycloak. Its list must have been whole.
    pub(super) async fn take_leavers(&mut self, client: &Client, walked: &Walked) -> Result<(), Trouble> {
        let Some(to) = self.sync.config.switch_off() else { return Ok(()) };
        let absent = self.count_absent(client.source(), walked).await?;
        let most = match self.request.allow_mass_change {
            true => u64::MAX,
            false => self.sync.config.most_leavers(absent.in_all),
        };
        let mut gone = Vec::new();
        for person in &absent.due {
            self.keep_lease().await?;
            match client.find_id(&person.keycloak_id).await? {
                Whereabouts::Gone => gone.push(person),
                Whereabouts::There(state) if state.is_of_one_person() => gone.push(person),
                Whereabouts::There(state) => {
                    let mailbox = person.mailbox.as_str();
                    tracing::warn!(
                        mailbox,
                        account = state.words(),
                        "Keycloak's list left out somebody who is there; nothing is done"
                    );
                }
            }
            if gone.len() as u64 > most {
                return self.refuse(absent.due.len(), absent.in_all, most);
            }
        }
        for person in gone {
            self.keep_lease().await?;
            self.switch_off(person, to).await?;
        }
        Ok(())
    }

    async fn count_absent(&mut self, source: &str, walked: &Walked) -> Result<Absent, Trouble> {
        // A run remembers the owners of these before it comes here.
        let (mut absent, mut after) = (Absent { in_all: self.foresight.on, due: Vec::new() }, String::new());
        let enough = i64::from(self.sync.config.missed_runs);
        loop {
            let database = &self.sync.parts.database;
            let people = database.remembered_people(source, &after, ROWS).await?;
            let Some(last) = people.last() else { return Ok(absent) };
            after.clone_from(&last.mailbox);
            let (mut missing, mut back) = (Vec::new(), Vec::new());
            for person in people {
                absent.in_all += u64::from(person.is_on);
                let is_there =
                    walked.in_use.contains(person.keycloak_id.as_str()) || self.is_claimed(&person);
                if is_there {
                    back.extend((person.missed_runs > 0).then_some(person.mailbox));
                    continue;
                }
                self.report.missing += 1;
                if person.missed_runs < enough {
                    missing.push(person.mailbox.clone());
                }
                if person.is_on && person.missed_runs + 1 >= enough {
                    absent.due.push(person);
                }
            }
            if !self.request.dry_run {
                self.sync.parts.database.note_missing(missing, back).await?;
            }
        }
    }

    /// Somebody else has the address now, who is refused until an administrator approves; mail may come in meanwhile.
    fn is_claimed(&self, person: &Remembered) -> bool {
        Username::parse(person.mailbox.as_bytes()).is_ok_and(|user| self.claimed.contains(&user))
    }

    fn refuse(&mut self, due: usize, in_all: u64, most: u64) -> Result<(), Trouble> {
        self.report.refused_deactivations += due as u64;
        self.journal.write(
            "err",
            &format!("{due} users are gone from Keycloak at once, so no mailbox was switched off"),
        );
        tracing::error!(
            due,
            in_all,
            most,
            "too many people are gone from Keycloak at once, so no mailbox is switched off; if that is right, run: \
             keydove sync --allow-mass-change"
        );
        Ok(())
    }

    async fn switch_off(&mut self, person: &Remembered, to: SwitchOff) -> Result<(), Trouble> {
        let mailbox = person.mailbox.as_str();
        if self.request.dry_run {
            self.report.count_leaver(mailbox);
            return Ok(());
        }
        if self.sync.parts.database.switch_off(mailbox, to).await? {
            tracing::warn!(
                user = mailbox,
                keycloak_id = person.keycloak_id,
                ?to,
                "mailbox of a leaver switched off"
            );
            self.report.count_leaver(mailbox);
            self.journal
                .write("warning", &format!("Switched off the mailbox of user {mailbox}: gone from Keycloak"));
            if let Some(config) = &self.sync.parts.kick {
                kick_and_tell(config, mailbox, "gone").await;
            }
        }
        Ok(())
    }
}
