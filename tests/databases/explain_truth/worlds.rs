//! The worlds: what is true in each of them, and how often.

use proptest::prelude::*;
use proptest::sample::select;

/// What is true in one case.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) domain: DomainIs,
    pub(super) mailbox: MailboxIs,
    pub(super) authsource: Option<&'static str>,
    pub(super) switch_on: bool,
    pub(super) second_factor: bool,
    pub(super) person: PersonIs,
    pub(super) stored: Stored,
    pub(super) app_passwords: Vec<AppIs>,
    pub(super) app_table: bool,
    pub(super) app_only: bool,
    pub(super) service: &'static str,
    pub(super) making: Making,
    pub(super) limit: Limit,
    pub(super) via_webmail: bool,
    pub(super) throttled: bool,
    pub(super) master: Option<MasterIs>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DomainIs {
    On,
    Off,
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailboxIs {
    On,
    Off,
    ReceiveOnly,
    Resource,
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PersonIs {
    Enabled,
    Disabled,
    Absent,
    Twice,
    /// Another one than had the mailbox before.
    Another,
    /// Lacks the attribute that the settings demand.
    Lacking,
    /// Keycloak is away.
    Unknowable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Right,
    Missing,
    WithoutLabel,
    UnknownScheme,
    TooCostly,
    NotAllowed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppIs {
    Usable,
    ForAnotherService,
    Off,
    Unusable,
    Expired,
    FromElsewhere,
}

/// What the settings and the templates say about first logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Making {
    Off,
    On,
    NoMapping,
    TemplateMissing,
    MakesItOff,
    MakesItWithoutImap,
}

/// What the database has against a new mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    DomainFull,
    QuotaLeft,
    IsAlias,
    /// The database refuses a row, as where a right is missing.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MasterIs {
    Known,
    Unknown,
    /// The file is open to others.
    Untold,
}

pub(super) fn worlds() -> impl Strategy<Value = World> {
    use PersonIs::{Absent, Another, Disabled, Enabled, Lacking, Twice, Unknowable};
    // What lets somebody in comes more often, or most worlds would end at the domain.
    let of_database = (
        prop_oneof![8 => Just(DomainIs::On), 1 => Just(DomainIs::Off), 1 => Just(DomainIs::Absent)],
        prop_oneof![
            8 => Just(MailboxIs::On),
            6 => Just(MailboxIs::Absent),
            1 => Just(MailboxIs::Off),
            1 => Just(MailboxIs::ReceiveOnly),
            1 => Just(MailboxIs::Resource),
        ],
        prop_oneof![6 => Just(Some("keycloak")), 3 => Just(Some("mailcow")), 1 => Just(Some("ldap")), 1 => Just(None)],
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.2),
    );
    let of_people = (
        prop_oneof![6 => Just(Enabled), 1 => select(vec![Disabled, Absent, Twice, Another, Lacking, Unknowable])],
        prop_oneof![
            5 => Just(Stored::Right),
            1 => select(vec![Stored::Missing, Stored::WithoutLabel]),
            1 => select(vec![Stored::UnknownScheme, Stored::TooCostly, Stored::NotAllowed]),
        ],
    );
    let of_apps = (
        prop::collection::vec(app_password(), 0..4),
        prop::bool::weighted(0.93),
        prop::bool::weighted(0.15),
        prop_oneof![9 => select(vec!["imap", "pop3", "smtp", "sieve"]), 1 => Just("teapot")],
    );
    let of_places = (
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
        prop_oneof![
            9 => Just(None),
            1 => select(vec![MasterIs::Known, MasterIs::Unknown, MasterIs::Untold]).prop_map(Some),
        ],
    );
    (of_database, of_people, of_apps, making_of_mailboxes(), of_places).prop_map(
        |(
            (domain, mailbox, authsource, switch_on, second_factor),
            (person, stored),
            (app_passwords, app_table, app_only, service),
            (making, limit),
            (via_webmail, throttled, master),
        )| World {
            domain,
            mailbox,
            authsource,
            switch_on,
            second_factor,
            person,
            stored,
            app_passwords,
            app_table,
            app_only,
            service,
            making,
            limit,
            via_webmail,
            throttled,
            master,
        },
    )
}

fn app_password() -> impl Strategy<Value = AppIs> {
    select(vec![
        AppIs::Usable,
        AppIs::Usable,
        AppIs::ForAnotherService,
        AppIs::Off,
        AppIs::Unusable,
        AppIs::Expired,
        AppIs::FromElsewhere,
    ])
}

/// The settings, and what the database has against them.
pub(super) fn making_of_mailboxes() -> impl Strategy<Value = (Making, Limit)> {
    (
        prop_oneof![
            5 => Just(Making::On),
            1 => Just(Making::Off),
            2 => select(vec![
                Making::NoMapping, Making::TemplateMissing, Making::MakesItOff, Making::MakesItWithoutImap,
            ]),
        ],
        prop_oneof![
            3 => Just(Limit::None),
            2 => select(vec![Limit::DomainFull, Limit::QuotaLeft, Limit::IsAlias, Limit::Broken]),
        ],
    )
}
