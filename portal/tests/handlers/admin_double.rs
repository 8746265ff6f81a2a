//! What keydove answers administrators.

use keydove_words::auth::Reason;
use keydove_words::portal::admin::{
    AdminObstacle, AdminRequest, AdminResponse, BackendState, CensusCard, CensusFinding, CensusRequest,
    DomainLine, DomainList, Done, ExplainedEnd, ExplainedLogin, ExplainedStep, Finding, HostingRequest,
    IdentityProviderRequest, MailState, MailboxCard, MailboxLine, MailboxList, ObstacleKind, OnDisk,
    Overview, OverviewRequest, OwnerCard, PasswordLine, PeopleRequest, PersonCard, ProviderCard,
    ProviderSetting, ReasonCount, SyncBoard, SyncPerson, SyncProgress, SyncRequest, SyncRun, SyncState,
    TemplateCard, TemplateDifference, TemplateDifferences, TemplateField, TemplateLine, TemplateList,
    TemplatesRequest, Work,
};
use keydove_words::portal::{MailSignIn, RefusedSignIn, Request, Response};

use super::NOW;
use super::double::{HOSTILE_NAME, alice, answer, password, session};

const USER: &str = "alice@example.org";

/// What keydove says to Alice where she is an administrator, who proved at `auth_time` who she is.
pub(crate) fn answer_administrator(request: &Request, auth_time: u64) -> Response {
    match request {
        Request::Session { .. } => {
            let mut session = alice(auth_time);
            session.administrator = true;
            Response::Session(Box::new(session))
        }
        Request::Administrate { what, .. } => Response::Administration { said: say(what) },
        other => answer(other, auth_time),
    }
}

fn say(what: &AdminRequest) -> AdminResponse {
    match what {
        AdminRequest::Overview(OverviewRequest::Show) => AdminResponse::Overview(Box::new(overview())),
        AdminRequest::Overview(OverviewRequest::Check) => {
            AdminResponse::Checked(vec![HOSTILE_NAME.to_owned()])
        }
        AdminRequest::People(PeopleRequest::Show { .. }) => AdminResponse::Person(Box::new(person())),
        AdminRequest::People(PeopleRequest::Explain { service, .. }) => {
            AdminResponse::Explained(Box::new(explanation(service)))
        }
        AdminRequest::People(PeopleRequest::Change { .. }) => {
            AdminResponse::Done(Done { count: 1, holds_within: 30 })
        }
        AdminRequest::Hosting(HostingRequest::Mailboxes { .. }) => {
            AdminResponse::Mailboxes(MailboxList { rows: (0..50).map(mailbox).collect(), more: true })
        }
        AdminRequest::Hosting(HostingRequest::Domains { .. }) => {
            AdminResponse::Domains(DomainList { rows: (0..50).map(domain).collect(), more: true })
        }
        AdminRequest::Hosting(HostingRequest::Domain { .. }) => AdminResponse::Domain(Box::new(domain(0))),
        AdminRequest::Hosting(HostingRequest::SetDomain { .. }) => {
            AdminResponse::Done(Done { count: 1, holds_within: 30 })
        }
        AdminRequest::Sync(SyncRequest::Show) => AdminResponse::Sync(Box::new(SyncBoard {
            progress: Some(SyncProgress { seen: 50, people: 120, ..SyncProgress::default() }),
            trouble: Some(HOSTILE_NAME.to_owned()),
            is_logged: true,
            runs: (1..5).map(run).collect(),
            is_scheduled: true,
            next: Some(600),
        })),
        AdminRequest::Sync(SyncRequest::Run { number }) => AdminResponse::SyncRun(Box::new(run(*number))),
        AdminRequest::IdentityProvider(IdentityProviderRequest::Show) => {
            AdminResponse::IdentityProvider(Box::new(provider()))
        }
        AdminRequest::Templates(TemplatesRequest::List) => AdminResponse::Templates(TemplateList {
            templates: vec![TemplateLine {
                name: HOSTILE_NAME.to_owned(),
                quota: 1 << 30,
                services: vec!["imap".to_owned()],
            }],
            mapping: provider().settings,
        }),
        AdminRequest::Templates(TemplatesRequest::Show { .. }) => {
            AdminResponse::Template(Box::new(template()))
        }
        AdminRequest::Templates(TemplatesRequest::Compare { text, .. }) => compared(text),
        AdminRequest::Templates(
            TemplatesRequest::Add { .. } | TemplatesRequest::Set { .. } | TemplatesRequest::Replace { .. },
        ) => AdminResponse::Done(Done { count: 1, holds_within: 0 }),
        AdminRequest::Census(CensusRequest::Show) => AdminResponse::Census(Box::new(census())),
        AdminRequest::Sync(SyncRequest::Rehearse | SyncRequest::Start)
        | AdminRequest::IdentityProvider(IdentityProviderRequest::Test)
        | AdminRequest::Census(CensusRequest::Count) => {
            AdminResponse::Done(Done { count: 0, holds_within: 0 })
        }
    }
}

fn overview() -> Overview {
    let login = |verdict: &str, reason: &str| ReasonCount {
        verdict: verdict.to_owned(),
        reason: reason.to_owned(),
        count: 17,
    };
    let backend = |name: &str, state: &str| BackendState {
        name: name.to_owned(),
        state: state.to_owned(),
        calls: 100,
        failed: 3,
    };
    Overview {
        uptime: 7200,
        logins: vec![login("accept", "accepted"), login("refuse", "password_mismatch")],
        backends: vec![backend("sql", "asked"), backend(HOSTILE_NAME, "left alone")],
        sync: Some(SyncState {
            last: Some("complete".to_owned()),
            last_ago: Some(60),
            complete_ago: Some(60),
            next: None,
            people: vec![("unchanged".to_owned(), 12)],
        }),
        on_disk: OnDisk { changed: vec![HOSTILE_NAME.to_owned()], unusable: true },
    }
}

fn person() -> PersonCard {
    PersonCard {
        user: USER.to_owned(),
        mailbox: Some(MailboxCard {
            name: HOSTILE_NAME.to_owned(),
            state: MailState::On,
            source: "keycloak".to_owned(),
            quota: 3 << 30,
            used: 1 << 20,
            services: vec!["imap".to_owned(), "smtp".to_owned()],
        }),
        owner: Some(OwnerCard { keycloak_id: HOSTILE_NAME.to_owned(), source: String::new() }),
        app_passwords: vec![password(1, HOSTILE_NAME), password(2, "phone")],
        accepted: (0..50)
            .map(|number| MailSignIn {
                at: NOW - number,
                service: "imap".to_owned(),
                remote: "2001:db8::7".to_owned(),
                app_password: Some(1),
                app_password_name: Some(HOSTILE_NAME.to_owned()),
            })
            .collect(),
        refused: (0..20)
            .map(|number| RefusedSignIn {
                at: NOW - number,
                service: "smtp".to_owned(),
                remote: None,
                code: "password_mismatch".to_owned(),
            })
            .collect(),
        sessions: vec![session(1, false)],
    }
}

fn explanation(service: &str) -> ExplainedLogin {
    let reason = Reason::of_code("mailbox_disabled").unwrap();
    let step = |end| ExplainedStep {
        step: "new mailbox".to_owned(),
        end,
        from: Some(HOSTILE_NAME.to_owned()),
        saw: HOSTILE_NAME.to_owned(),
    };
    ExplainedLogin {
        user: USER.to_owned(),
        service: service.to_owned(),
        steps: vec![step(ExplainedEnd::Passed), step(ExplainedEnd::Closed), step(ExplainedEnd::Stopped)],
        verdict: "refuse".to_owned(),
        reason: reason.code().to_owned(),
        detail: Some(HOSTILE_NAME.to_owned()),
        cure: reason.cure().to_owned(),
    }
}

fn mailbox(number: u32) -> MailboxLine {
    MailboxLine {
        address: format!("somebody-with-a-long-name-{number}@example.org"),
        name: HOSTILE_NAME.to_owned(),
        state: MailState::ReceiveOnly,
        source: "keycloak".to_owned(),
        quota: 0,
        used: 1 << 30,
    }
}

fn domain(number: u32) -> DomainLine {
    DomainLine {
        name: format!("a-domain-with-a-long-name-{number}.example.org"),
        description: HOSTILE_NAME.to_owned(),
        active: number.is_multiple_of(2),
        mailboxes: 10,
        mailboxes_used: 10,
        default_quota: 3 << 30,
        max_quota: 10 << 30,
        quota: 100 << 30,
        quota_given: 30 << 30,
    }
}

/// What keydove says where the same is under way.
pub(crate) fn under_way() -> AdminResponse {
    let detail = HOSTILE_NAME.to_owned();
    AdminResponse::Obstacle(AdminObstacle { kind: ObstacleKind::UnderWay, detail })
}

fn run(number: u64) -> SyncRun {
    let person = |outcome: &str| SyncPerson { address: HOSTILE_NAME.to_owned(), outcome: outcome.to_owned() };
    SyncRun {
        number,
        ago: 60,
        node: HOSTILE_NAME.to_owned(),
        started_by: "portal".to_owned(),
        dry_run: true,
        end: "incomplete".to_owned(),
        troubles: vec![HOSTILE_NAME.to_owned()],
        counts: vec![("seen".to_owned(), 120), (HOSTILE_NAME.to_owned(), 1)],
        skipped: vec![("no_address".to_owned(), 2), ("provision_domain_full".to_owned(), 1)],
        people: vec![person("created"), person(HOSTILE_NAME)],
    }
}

fn provider() -> ProviderCard {
    let setting = |name: &str, value: Option<&str>, is_secret| ProviderSetting {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        is_secret,
        place: HOSTILE_NAME.to_owned(),
    };
    let finding = |level: &str| Finding {
        area: "keycloak".to_owned(),
        level: level.to_owned(),
        what: HOSTILE_NAME.to_owned(),
        cure: Some(HOSTILE_NAME.to_owned()),
    };
    ProviderCard {
        settings: vec![
            setting("realm", Some(HOSTILE_NAME), false),
            setting("client_secret", Some("hunter2"), true),
            setting("ca_file", None, false),
        ],
        test: Work { running: None, ended: Some(3), trouble: None },
        findings: ["fault", "warning", "fine"].map(finding).to_vec(),
    }
}

fn template() -> TemplateCard {
    let field = |key: &str, value: &str, choices: &[&str]| TemplateField {
        key: key.to_owned(),
        value: value.to_owned(),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    TemplateCard {
        name: HOSTILE_NAME.to_owned(),
        fields: vec![
            field("tags", HOSTILE_NAME, &[]),
            field("pop3_access", "1", &["0", "1"]),
            field("acl_pw_reset", "", &["0", "1"]),
        ],
        text: format!("{{\"tags\":[\"{HOSTILE_NAME}\"]}}"),
    }
}

/// A text that is none is refused.
fn compared(text: &str) -> AdminResponse {
    if !text.starts_with('{') {
        let detail = HOSTILE_NAME.to_owned();
        return AdminResponse::Obstacle(AdminObstacle { kind: ObstacleKind::Malformed, detail });
    }
    AdminResponse::Compared(TemplateDifferences {
        of: "digest".to_owned(),
        keys: vec![TemplateDifference {
            key: "tags".to_owned(),
            before: Some(HOSTILE_NAME.to_owned()),
            after: None,
        }],
    })
}

fn census() -> CensusCard {
    let examples = vec![HOSTILE_NAME.to_owned()];
    CensusCard {
        count: Work { running: None, ended: Some(3), trouble: None },
        seen: 12,
        troubles: examples.clone(),
        passwords: vec![PasswordLine {
            grade: "weak".to_owned(),
            place: "keycloak".to_owned(),
            scheme: HOSTILE_NAME.to_owned(),
            cost: String::new(),
            count: 3,
            examples: examples.clone(),
        }],
        findings: vec![CensusFinding { code: "no_address".to_owned(), count: 1, examples }],
        ..CensusCard::default()
    }
}
