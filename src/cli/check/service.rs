//! As whom the service runs, and that user's place taken: what root may read says nothing about the service.

use std::ffi::CString;
use std::path::Path;

use nix::sys::prctl::set_no_new_privs;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist, setgid, setgroups, setuid};

use super::finding::{Finding, Findings};
use crate::config::Unit;

/// Words for yes in a unit.
const YES: [&str; 4] = ["yes", "true", "1", "on"];

/// A user with all groups.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    gid: Gid,
    pub(super) groups: Vec<Gid>,
}

impl Account {
    /// `None` where there is no such user here.
    pub(super) fn find(name: &str) -> Option<Self> {
        let by_number =
            || name.parse().ok().and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
        let user = User::from_name(name).ok().flatten().or_else(by_number)?;
        let c_name = CString::new(user.name.as_bytes()).ok()?;
        let groups = getgrouplist(&c_name, user.gid).unwrap_or_else(|_| vec![user.gid]);
        Some(Self { name: user.name, uid: user.uid, gid: user.gid, groups })
    }

    /// This process is theirs from here on; there is no way back.
    pub(super) fn take_place(&self) -> nix::Result<()> {
        setgroups(&self.groups)?;
        setgid(self.gid)?;
        setuid(self.uid)
    }

    pub(super) fn is_us(&self) -> bool {
        self.uid == Uid::effective()
    }
}

/// The service that reads this configuration.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) unit: Unit,
    /// Who runs it; `None` where the unit names somebody who is not here.
    pub(super) account: Option<Account>,
}

impl Service {
    /// `None` where systemd serves another configuration or none.
    pub(super) fn find(config: &Path) -> Option<Self> {
        let unit = Unit::find(config)?;
        let is_dynamic = unit.has("DynamicUser", &YES);
        let mut account =
            Account::find(if is_dynamic { "root" } else { unit.setting("User").unwrap_or("root") });
        if let Some(account) = &mut account {
            let group = |name: &str| {
                let known = Group::from_name(name).ok().flatten().map(|group| group.gid);
                known.or_else(|| name.parse().ok().map(Gid::from_raw))
            };
            if let Some(gid) = unit.setting("Group").and_then(group) {
                account.gid = gid;
                account.groups.push(gid);
            }
            let more = unit.all("SupplementaryGroups").flat_map(str::split_whitespace);
            account.groups.extend(more.filter_map(group));
        }
        Some(Self { unit, account })
    }

    /// Whom this process has to become to see what the service sees.
    pub(super) fn other(&self) -> Option<&Account> {
        self.account.as_ref().filter(|account| !account.is_us())
    }

    /// As systemd starts it, as far as a process may do that to itself.
    pub(super) fn take_place(&self) -> nix::Result<()> {
        if let Some(account) = self.other() {
            account.take_place()?;
        }
        match self.unit.has("NoNewPrivileges", &YES) {
            true => set_no_new_privs(),
            false => Ok(()),
        }
    }
}

/// Says as whom everything is judged.
pub(super) fn tell(service: Option<&Service>, is_as_service: bool) -> Vec<Finding> {
    let mut findings = Findings::of("service");
    let Some(service) = service else { return findings.into_vec() };
    let file = service.unit.file().display();
    if service.unit.has("DynamicUser", &YES) {
        findings.warning(
            format!("{file} says DynamicUser=, so its user is there only while it runs: judged as another"),
            "name a user that stays (User=, without DynamicUser=)",
        );
        return findings.into_vec();
    }
    match &service.account {
        None => {
            let name = service.unit.setting("User").unwrap_or_default();
            findings.fault(
                format!("{file} says User={name}, and there is no such user here: the service cannot start"),
                format!("adduser --system --group --home /var/lib/keydove {name}"),
            );
        }
        Some(account) if is_as_service || account.is_us() => {
            findings.fine(format!("judged as the user `{}`, as whom {file} runs it", account.name));
        }
        Some(account) => findings.warning(
            format!("judged as another user than `{}`, as whom {file} runs it", account.name),
            "run keydove check as root",
        ),
    }
    findings.into_vec()
}
