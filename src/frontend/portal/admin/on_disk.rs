//! What lies on disk beside what this process runs with.

use std::fmt;
use std::sync::Arc;

use crate::portal::admin::OnDisk;

/// Reads the files anew that were read at the start, and compares. It may wait for a disk.
#[derive(Clone)]
pub struct LookAtDisk(Arc<dyn Fn() -> OnDisk + Send + Sync>);

impl LookAtDisk {
    /// Looks by this.
    pub fn new(look: impl Fn() -> OnDisk + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// Looks beside the reactor. One that fails has found nothing.
    pub async fn look(&self) -> OnDisk {
        let look = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || look()).await.unwrap_or_default()
    }
}

impl Default for LookAtDisk {
    fn default() -> Self {
        Self::new(OnDisk::default)
    }
}

impl fmt::Debug for LookAtDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookAtDisk")
    }
}
