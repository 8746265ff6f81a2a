//! The table: feature, what is done, table, columns.

use super::right::{Feature, Right, SOGO, Verb};
use crate::backend::sql::provision::rows::UserAcl;

type Line = (&'static [Feature], Verb, &'static str, &'static [&'static str]);

use Feature::{
    AliasLogins, AppPasswords, Backends, Changes, Commands, Comparisons, Deactivation, FirstLogins,
    Housekeeping, IdentityProvider, LoginLog, Logins, Maps, Notices, OldLogins, OldPeople, Owners, Policy,
    Portal, Sync, Templates,
};
use Verb::{Create, Delete, Insert, Lock, Select, Update};

const ACL: [&str; 15] = UserAcl::RIGHTS;
const PERSON: &[&str] =
    &["mailbox", "keycloak_id", "source", "template_name", "template_fingerprint", "template_attributes"];
const MARK: &[&str] = &["mailbox", "attribute", "value"];
const LEASE: &[&str] = &["name", "holder", "expires", "finished"];
const FENCE: &[&str] = &["name", "number", "writes"];
const SYNC: &[&str] = &["mailbox", "source_name", "switched_to"];
const OF_APP_PASSWORD: &[&str] = &["app_passwd", "expires", "networks"];
const SESSION: &[&str] = &[
    "session",
    "mailbox",
    "issuer",
    "subject",
    "sid",
    "auth_time",
    "administrator",
    "remote",
    "browser",
    "created",
    "used",
    "ends",
];
const NOTICE: &[&str] = &["app_passwd", "occasion", "attempts", "retry"];
const ORIGIN: &[&str] = &["app_passwd", "mailbox", "created", "remote"];
const CHANGE: &[&str] = &["id", "at", "kind", "subject", "node"];
const NODE: &[&str] = &["node", "version", "started", "read_at"];
const RUN: &[&str] =
    &["id", "node", "started_by", "dry_run", "began", "heard", "ended", "outcome", "report", "people"];
const NEW_RUN: &[&str] = &["node", "started_by", "dry_run", "began", "heard", "outcome", "report", "people"];
const PLACEMENT: &[&str] = &["mailbox", "backend"];
const DRAINED: &[&str] = &["name", "drained"];
const QUOTA: &[&str] = &["username", "bytes", "messages"];
const LIMITS: &[&str] = &["domain", "active", "mailboxes", "maxquota", "quota"];
const ALIAS_ROW: &[&str] = &["address", "goto", "domain", "active", "sender_allowed"];
const SOGO_ROW: &[&str] = &[
    "c_uid",
    "domain",
    "c_name",
    "c_password",
    "c_cn",
    "mail",
    "aliases",
    "ad_aliases",
    "ext_acl",
    "kind",
    "multiple_bookings",
];
const APP_PASSWORD: &[&str] = &[
    "id",
    "mailbox",
    "password",
    "imap_access",
    "smtp_access",
    "dav_access",
    "eas_access",
    "pop3_access",
    "sieve_access",
    "active",
];
const NEW_APP_PASSWORD: &[&str] = &[
    "name",
    "mailbox",
    "domain",
    "password",
    "imap_access",
    "pop3_access",
    "smtp_access",
    "sieve_access",
    "dav_access",
    "eas_access",
    "active",
];
const NEW_MAILBOX: &[&str] =
    &["username", "password", "name", "quota", "local_part", "domain", "attributes", "authsource", "active"];
const NEW_ACL: [&str; ACL.len() + 1] = {
    let mut columns = ["username"; ACL.len() + 1];
    let mut at = 0;
    while at < ACL.len() {
        columns[at] = ACL[at];
        at += 1;
    }
    columns
};

/// Who makes mailboxes, and who else tells SOGo.
const MAKES: &[Feature] = &[FirstLogins, Commands];
const LOOKS_FOR_NAMES: &[Feature] = &[Comparisons, FirstLogins, Commands];
const READS_RULES: &[Feature] = &[Comparisons, FirstLogins, Templates, Commands];
const TELLS_SOGO: &[Feature] = &[FirstLogins, Sync, Commands];
const KEEPS_PEOPLE: &[Feature] = &[Owners, FirstLogins, Templates, Sync, Commands];
const TAKES_LEASES: &[Feature] = &[Sync, Housekeeping, Commands];

const LINES: &[Line] = &[
    (&[Logins, Policy], Select, "domain", &["domain", "active"]),
    (
        &[Logins],
        Select,
        "mailbox",
        &["username", "active", "kind", "authsource", "password", "quota", "attributes"],
    ),
    (&[Logins], Select, "tfa", &["username", "active"]),
    (&[AppPasswords, Portal, Notices, Commands], Select, "app_passwd", APP_PASSWORD),
    // Which was used last is tried first.
    (&[AppPasswords, Portal, Commands], Select, "sasl_log", &["app_password", "datetime", "username"]),
    (&[AppPasswords, Owners, Portal, Notices, Commands], Create, "keydove_app_password", &[]),
    (&[AppPasswords, Owners, Portal, Notices, Commands], Select, "keydove_app_password", OF_APP_PASSWORD),
    // keydove uses its tables when it sees all of them.
    (&[Owners], Create, "keydove_lease", &[]),
    (&[Owners], Select, "keydove_lease", &["name"]),
    (&[Owners], Create, "keydove_sync", &[]),
    (&[Owners], Select, "keydove_sync", &["mailbox"]),
    (KEEPS_PEOPLE, Create, "keydove_person", &[]),
    (KEEPS_PEOPLE, Select, "keydove_person", PERSON),
    (KEEPS_PEOPLE, Insert, "keydove_person", PERSON),
    (KEEPS_PEOPLE, Update, "keydove_person", PERSON),
    (&[Owners, Sync, Commands], Create, "keydove_mark", &[]),
    (&[Owners, Sync, Commands], Select, "keydove_mark", MARK),
    (&[Owners, Sync, Commands], Insert, "keydove_mark", MARK),
    (&[Owners, Sync, Commands], Update, "keydove_mark", &["attribute", "value"]),
    (&[Changes, Commands], Create, "keydove_change", &[]),
    (&[Changes, Commands], Select, "keydove_change", CHANGE),
    (&[Changes, Commands], Insert, "keydove_change", &["at", "kind", "subject", "node"]),
    (&[Changes, Commands], Delete, "keydove_change", &[]),
    (&[Changes, Commands], Create, "keydove_node", &[]),
    (&[Changes, Commands], Select, "keydove_node", NODE),
    (&[Changes], Insert, "keydove_node", NODE),
    (&[Changes], Update, "keydove_node", &["version", "started", "read_at"]),
    (&[Changes], Delete, "keydove_node", &[]),
    (&[IdentityProvider], Select, "identity_provider", &["`key`", "value"]),
    (&[Maps], Select, "domain", &["domain", "active", "backupmx"]),
    (&[Maps, Policy, AliasLogins], Select, "alias_domain", &["alias_domain", "target_domain", "active"]),
    (&[Maps, Policy, AliasLogins], Select, "mailbox", &["username", "active"]),
    (&[Maps, Policy, AliasLogins], Select, "alias", ALIAS_ROW),
    (&[Maps, AliasLogins], Select, "spamalias", &["address", "goto", "validity", "permanent"]),
    (&[Maps, Policy], Select, "sender_acl", &["logged_in_as", "send_as"]),
    (READS_RULES, Select, "templates", &["id", "template", "type", "attributes"]),
    (READS_RULES, Select, "domain", LIMITS),
    (
        READS_RULES,
        Select,
        "mailbox",
        &["username", "name", "kind", "active", "local_part", "domain", "quota", "attributes"],
    ),
    // Limits are counted under a lock. Who may change a table may lock its rows, so the other locks need no line.
    (&[Comparisons, FirstLogins, Templates], Lock, "domain", &["active"]),
    (MAKES, Insert, "mailbox", NEW_MAILBOX),
    (LOOKS_FOR_NAMES, Select, "alias", &["address"]),
    (MAKES, Insert, "alias", &["address", "goto", "domain", "active"]),
    (LOOKS_FOR_NAMES, Select, "spamalias", &["address"]),
    (MAKES, Insert, "quota2", QUOTA),
    (MAKES, Delete, "quota2", &[]),
    (MAKES, Insert, "quota2replica", QUOTA),
    (MAKES, Delete, "quota2replica", &[]),
    (&[FirstLogins, Templates, Commands], Insert, "tags_mailbox", &["username", "tag_name"]),
    (MAKES, Insert, "user_acl", &NEW_ACL),
    (TELLS_SOGO, Select, SOGO, &["c_uid"]),
    (TELLS_SOGO, Insert, SOGO, SOGO_ROW),
    (TELLS_SOGO, Update, SOGO, &["c_cn"]),
    (TELLS_SOGO, Delete, SOGO, &[]),
    (TELLS_SOGO, Select, "alias", &["address", "goto", "active", "sogo_visible"]),
    (TELLS_SOGO, Select, "alias_domain", &["alias_domain", "target_domain"]),
    (TELLS_SOGO, Select, "sender_acl", &["logged_in_as", "send_as", "external"]),
    (&[Templates], Update, "mailbox", &["quota", "attributes"]),
    (&[Templates], Select, "user_acl", &["username"]),
    (&[Templates], Update, "user_acl", &ACL),
    (&[LoginLog], Insert, "sasl_log", &["service", "app_password", "username", "real_rip"]),
    (&[LoginLog], Delete, "sasl_log", &[]),
    (TAKES_LEASES, Create, "keydove_lease", &[]),
    (TAKES_LEASES, Select, "keydove_lease", LEASE),
    (TAKES_LEASES, Insert, "keydove_lease", &["name"]),
    (TAKES_LEASES, Update, "keydove_lease", LEASE),
    (TAKES_LEASES, Create, "keydove_fence", &[]),
    (TAKES_LEASES, Select, "keydove_fence", FENCE),
    (TAKES_LEASES, Insert, "keydove_fence", &["name", "number"]),
    (TAKES_LEASES, Update, "keydove_fence", &["number", "writes"]),
    (&[Sync, Commands], Create, "keydove_sync", &[]),
    (&[Sync, Commands], Select, "keydove_sync", SYNC),
    (&[Sync, Commands], Insert, "keydove_sync", SYNC),
    (&[Sync, Commands], Update, "keydove_sync", SYNC),
    (&[Sync, Commands], Create, "keydove_run", &[]),
    (&[Sync, Commands], Select, "keydove_run", RUN),
    (&[Sync, Commands], Insert, "keydove_run", NEW_RUN),
    (&[Sync, Commands], Update, "keydove_run", &["heard", "ended", "outcome", "report", "people"]),
    (&[Sync, Commands], Delete, "keydove_run", &[]),
    (&[Sync, OldPeople], Select, "keydove_person", &["mailbox", "missed_runs", "missing_since"]),
    (&[Sync, OldPeople], Update, "keydove_person", &["missed_runs", "missing_since"]),
    (&[Sync], Select, "domain", &["domain", "active"]),
    (&[Sync], Select, "mailbox", &["username", "name", "active", "kind", "authsource"]),
    (&[Sync], Update, "mailbox", &["name"]),
    (&[Deactivation], Update, "mailbox", &["active"]),
    (&[Deactivation], Update, "alias", &["active"]),
    (&[Housekeeping], Select, "keydove_app_password", &["app_passwd"]),
    (&[Housekeeping], Delete, "keydove_app_password", &[]),
    (&[Housekeeping], Select, "keydove_sync", &["mailbox"]),
    (&[Housekeeping], Delete, "keydove_sync", &[]),
    (&[Housekeeping], Select, "keydove_mark", &["mailbox"]),
    (&[Housekeeping], Delete, "keydove_mark", &[]),
    (&[Housekeeping], Select, "keydove_person", &["mailbox"]),
    (&[Housekeeping], Select, "app_passwd", &["id"]),
    (&[Housekeeping], Select, "mailbox", &["username"]),
    (&[OldPeople], Delete, "keydove_person", &[]),
    (&[OldLogins], Select, "sasl_log", &["datetime"]),
    (&[OldLogins], Delete, "sasl_log", &[]),
    (
        &[Commands],
        Select,
        "domain",
        &["domain", "description", "active", "mailboxes", "defquota", "maxquota", "quota"],
    ),
    (
        &[Commands],
        Insert,
        "domain",
        &["domain", "description", "aliases", "mailboxes", "defquota", "maxquota", "quota", "active"],
    ),
    (&[Commands], Update, "domain", &["description", "mailboxes", "defquota", "maxquota", "quota", "active"]),
    (&[Commands], Update, "mailbox", &["name", "active", "quota", "authsource", "password", "attributes"]),
    (&[Commands], Select, "mailbox", &["authsource", "password"]),
    (&[Commands], Select, "quota2", &["username", "bytes"]),
    (&[Commands], Insert, "templates", &["template", "type", "attributes"]),
    (&[Commands], Update, "templates", &["attributes"]),
    (&[Commands], Select, "alias", &["address", "goto", "domain", "active", "sender_allowed", "internal"]),
    (&[Commands], Insert, "alias", &["address", "goto", "domain", "active", "sender_allowed", "internal"]),
    (&[Commands], Update, "alias", &["goto", "active", "sender_allowed", "internal"]),
    (&[Portal, Notices, Commands], Select, "app_passwd", &["name", "created"]),
    (&[Portal, Commands], Insert, "app_passwd", NEW_APP_PASSWORD),
    (&[Portal, Commands], Update, "app_passwd", &["password", "active"]),
    (&[Portal, Commands], Insert, "keydove_app_password", OF_APP_PASSWORD),
    (&[Portal, Commands], Delete, "keydove_app_password", &[]),
    (&[Portal, Commands], Select, "sasl_log", &["service", "real_rip"]),
    (&[Portal], Select, "mailbox", &["name"]),
    // As above: all of these, or none.
    (&[Portal, Notices], Create, "keydove_session", &[]),
    (&[Notices], Select, "keydove_session", &["session"]),
    (&[Portal, Notices], Create, "keydove_notice", &[]),
    (&[Portal], Select, "keydove_notice", &["app_passwd"]),
    (&[Portal], Select, "keydove_session", SESSION),
    (&[Portal], Insert, "keydove_session", SESSION),
    (&[Portal], Update, "keydove_session", &["used"]),
    (&[Portal], Delete, "keydove_session", &[]),
    (&[Portal, Notices], Create, "keydove_origin", &[]),
    (&[Portal, Notices], Select, "keydove_origin", ORIGIN),
    (&[Portal], Insert, "keydove_origin", ORIGIN),
    (&[Portal], Delete, "keydove_origin", &[]),
    (&[Notices], Select, "keydove_notice", NOTICE),
    (&[Notices], Insert, "keydove_notice", NOTICE),
    (&[Notices], Update, "keydove_notice", &["attempts", "retry"]),
    (&[Notices], Delete, "keydove_notice", &[]),
    (&[Backends], Create, "keydove_placement", &[]),
    (&[Backends], Select, "keydove_placement", PLACEMENT),
    (&[Backends], Insert, "keydove_placement", PLACEMENT),
    (&[Backends], Update, "keydove_placement", PLACEMENT),
    (&[Backends], Delete, "keydove_placement", &[]),
    (&[Backends], Create, "keydove_backend", &[]),
    (&[Backends], Select, "keydove_backend", DRAINED),
    (&[Backends], Insert, "keydove_backend", DRAINED),
    (&[Backends], Update, "keydove_backend", DRAINED),
];

pub(super) fn of(feature: Feature) -> impl Iterator<Item = Right> {
    let lines = LINES.iter().filter(move |(features, ..)| features.contains(&feature));
    lines.map(move |&(_, verb, table, columns)| Right { feature, verb, table, columns })
}
