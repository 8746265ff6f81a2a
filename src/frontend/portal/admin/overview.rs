//! How things stand: the numbers of `keydove status`, and whether the backends answer.

use std::collections::BTreeMap;

use crate::frontend::portal::PortalService;
use crate::login::service::{Arrival, Status};
use crate::portal::admin::{
    AdminResponse, BackendState, OnDisk, Overview, OverviewRequest, ReasonCount, SyncState,
};

impl PortalService {
    pub(super) async fn answer_overview(&self, request: OverviewRequest, arrival: Arrival) -> AdminResponse {
        match request {
            OverviewRequest::Show => {
                let status = self.service.status(self.admin.sync.as_deref(), arrival.monotonic);
                AdminResponse::Overview(Box::new(overview(status, self.admin.disk.look().await)))
            }
            OverviewRequest::Check => AdminResponse::Checked(Box::pin(self.service.probe()).await),
        }
    }
}

fn overview(status: Status, on_disk: OnDisk) -> Overview {
    let mut logins = BTreeMap::<(String, String), u64>::new();
    for login in status.logins {
        *logins.entry((login.verdict, login.reason)).or_default() += login.count;
    }
    let logins = logins.into_iter().map(|((verdict, reason), count)| ReasonCount { verdict, reason, count });
    let backends = status.backends.into_iter().map(|backend| BackendState {
        name: backend.name,
        state: backend.state,
        calls: backend.calls,
        failed: backend.failed,
    });
    let sync = status.sync.map(|sync| SyncState {
        last: sync.last,
        last_ago: sync.last_ago,
        complete_ago: sync.complete_ago,
        next: sync.next,
        people: sync.people,
    });
    Overview {
        uptime: status.uptime_ms / 1000,
        logins: logins.collect(),
        backends: backends.collect(),
        sync,
        on_disk,
    }
}
