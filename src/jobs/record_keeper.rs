//! What is known outlives the process: restored at the start, saved now and then and at the end.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::auth::Username;
use crate::backend::keycloak::SavedPerson;
use crate::backend::mailboxes::{Mailboxes, SavedMailboxRecord};
use crate::backend::people::People;
use crate::backend::records::{Belonging, Config, RecordFile, SavedRecord, Written, age, seconds};

/// How often everything is saved.
const PERIOD: Duration = Duration::from_secs(300);
/// How often there is a look whether something that the file says is no longer so.
const LOOK: Duration = Duration::from_secs(1);
/// How soon after it was saved the file is saved again for that.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps the record file.
#[derive(Debug)]
pub struct RecordKeeper {
    file: Arc<RecordFile>,
    people: People,
    mailboxes: Mailboxes,
    stale_limit: Duration,
    /// Ends when all that the file knows has been read, if that is still going on.
    loading: Option<oneshot::Receiver<()>>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    people: Vec<SavedRecord<SavedPerson>>,
    mailboxes: Vec<SavedRecord<SavedMailboxRecord>>,
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Clocks {
    wall: SystemTime,
    monotonic: Instant,
}

impl RecordKeeper {
    /// `None` where no file is wanted, or none can be used, which is no reason not to start.
    pub fn open(
        config: &Config,
        belonging: Belonging<'_>,
        people: People,
        mailboxes: Mailboxes,
    ) -> Option<Self> {
        let path = config.record_file.as_deref()?;
        match RecordFile::open(path, belonging, config.max_file_bytes()) {
            Ok(file) => {
                let stale_limit = config.stale_limit.get();
                Some(Self { file: Arc::new(file), people, mailboxes, stale_limit, loading: None })
            }
            Err(error) => {
                warn(path, &error.to_string());
                None
            }
        }
    }

    /// Takes over what the file knows and is young enough, on a thread of its own. Returns when that is done, or after
    /// `patience`: then the rest comes in while logins go on, and nothing is saved before it has.
    pub async fn restore(&mut self, patience: Duration) {
        let (sender, loaded) = oneshot::channel();
        // From now on what is forgotten stays forgotten.
        let (people, mailboxes) = (self.people.restoring(), self.mailboxes.restoring());
        let (file, stale_limit) = (Arc::clone(&self.file), self.stale_limit);
        let work = move || {
            restore_all(&file, stale_limit, people, mailboxes);
            // Whoever stops does not wait for it.
            let _ = sender.send(());
        };
        // A thread that is not waited for at the end, because all it has is in the file.
        if let Err(error) = thread::Builder::new().name("keydove-records".to_owned()).spawn(work) {
            return warn(self.file.path(), &error.to_string());
        }
        let mut loaded = loaded;
        if timeout(patience, &mut loaded).await.is_err() {
            tracing::info!(path = %self.file.path().display(), "what was known is still being read; logins begin");
            self.loading = Some(loaded);
        }
    }

    /// Saves now and then, soon after something that the file says is no longer so, and at the end.
    pub async fn run(mut self, stop: CancellationToken) {
        if let Some(loading) = self.loading.take() {
            tokio::select! {
                // The file knows more than we do.
                () = stop.cancelled() => return,
                _ = loading => {}
            }
        }
        let (mut saved_at, mut in_trouble) = (Instant::now(), false);
        let mut withdrawals = self.withdrawals();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = self.withdrawals();
            let due = if now == withdrawals { PERIOD } else { PAUSE };
            if saved_at.elapsed() >= due {
                // What could not be saved is tried again soon.
                withdrawals = if self.save(&mut in_trouble).await { now } else { withdrawals };
                saved_at = Instant::now();
            }
        }
        self.save(&mut in_trouble).await;
    }

    fn withdrawals(&self) -> (u64, u64) {
        (self.people.withdrawals(), self.mailboxes.withdrawals())
    }

    /// On a thread of its own: a disk may be slow. Says whether it is done.
    async fn save(&self, in_trouble: &mut bool) -> bool {
        let (file, people, mailboxes) = (Arc::clone(&self.file), self.people.clone(), self.mailboxes.clone());
        let work = move || {
            let now = Clocks::now();
            let saved = Saved { people: all(people.save(), now), mailboxes: all(mailboxes.save(), now) };
            file.write(&saved, now.wall).map_err(|error| error.to_string())
        };
        let end = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
        match end {
            Ok(Written { bytes, replaced_anothers }) => {
                tracing::debug!(bytes, "saved what is known");
                if replaced_anothers {
                    tracing::warn!(
                        path = %self.file.path().display(),
                        "another process writes the record file too, so each overwrites what the other knows; \
                         give every keydove a [cache] record_file of its own"
                    );
                }
                *in_trouble = false;
            }
            // Once, not every few seconds.
            Err(trouble) if !std::mem::replace(in_trouble, true) => {
                tracing::warn!(path = %self.file.path().display(), trouble, "what is known cannot be saved");
            }
            Err(_) => {}
        }
        !*in_trouble
    }
}

impl Clocks {
    #[expect(clippy::disallowed_methods, reason = "what outlives the process is dated by the wall clock")]
    fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Instant::now() }
    }

    fn wall_at(self, then: Instant) -> u64 {
        seconds(
            self.wall
                .checked_sub(self.monotonic.saturating_duration_since(then))
                .unwrap_or(SystemTime::UNIX_EPOCH),
        )
    }
}

/// Reads the file, and puts back what is young enough.
fn restore_all(
    file: &RecordFile,
    stale_limit: Duration,
    people: impl Fn(Username, SavedPerson, Instant) -> bool,
    mailboxes: impl Fn(Username, SavedMailboxRecord, Instant) -> bool,
) {
    let path = file.path();
    let (saved, written) = match file.read::<Saved>() {
        Ok(None) => return tracing::info!(path = %path.display(), "there is no record file yet"),
        Err(error) => return warn(path, &error.to_string()),
        Ok(Some(found)) => found,
    };
    let found = saved.people.len() + saved.mailboxes.len();
    let now = Clocks::now();
    let asked = |asked: u64| {
        // A machine that has just started has no monotonic clock that goes back so far, on some systems.
        now.monotonic.checked_sub(age(asked, written, now.wall, stale_limit)?)
    };
    let people = restore_each(saved.people, asked, people);
    let mailboxes = restore_each(saved.mailboxes, asked, mailboxes);
    if found > 0 && people + mailboxes == 0 {
        warn(path, "what it knows is too old, from a time that is yet to come, or of other settings");
    } else {
        tracing::info!(people, mailboxes, path = %path.display(), "restored what was known");
    }
}

/// Restores records of one kind; says how many. The last used come last, and stay if there is no room for all.
fn restore_each<V>(
    records: Vec<SavedRecord<V>>,
    asked: impl Fn(u64) -> Option<Instant>,
    restore: impl Fn(Username, V, Instant) -> bool,
) -> usize {
    let mut restored = 0;
    for SavedRecord { user, asked: when, record } in records.into_iter().rev() {
        let Some((user, when)) = Username::parse(user.as_bytes()).ok().zip(asked(when)) else { continue };
        restored += usize::from(restore(user, record, when));
    }
    restored
}

fn all<V>(records: Vec<(Username, Instant, V)>, now: Clocks) -> Vec<SavedRecord<V>> {
    let save = |(user, asked, record): (Username, Instant, V)| SavedRecord {
        user: user.as_str().to_owned(),
        asked: now.wall_at(asked),
        record,
    };
    records.into_iter().map(save).collect()
}

fn warn(path: &Path, trouble: &str) {
    tracing::warn!(path = %path.display(), trouble, "the record file is not used");
}
