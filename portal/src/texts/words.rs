//! The sentences of the pages, by name.
#![expect(missing_docs, reason = "a text's name says where it stands, and the languages show it")]

use super::{AdminTexts, ProblemTexts};

type Text = &'static str;

/// All sentences of a language.
#[derive(Debug)]
pub struct Texts {
    pub frame: Frame,
    pub device: DeviceTexts,
    pub programs: ProgramTexts,
    pub app_passwords: AppPasswordTexts,
    pub lists: ListTexts,
    pub help: HelpTexts,
    pub admin: AdminTexts,
    pub problems: ProblemTexts,
}

/// What stands around each page, and the two pages without a session.
#[derive(Debug)]
pub struct Frame {
    pub skip: Text,
    pub menu: Text,
    pub title: Text,
    pub device: Text,
    pub app_passwords: Text,
    pub sign_ins: Text,
    pub sessions: Text,
    pub help: Text,
    pub contact: Text,
    pub signed_in_as: Text,
    pub sign_in: Text,
    pub sign_out: Text,
    pub language: Text,
    pub welcome: Text,
    pub welcome_text: Text,
    pub signed_out: Text,
    pub signed_out_text: Text,
    pub sign_out_everywhere: Text,
    pub again: Text,
    pub copy: Text,
    pub copied: Text,
}

/// *Set up a device*.
#[derive(Debug)]
pub struct DeviceTexts {
    pub intro: Text,
    pub choose: Text,
    pub settings: Text,
    pub settings_intro: Text,
    pub server: Text,
    pub port: Text,
    pub security: Text,
    pub tls: Text,
    pub starttls: Text,
    pub user_name: Text,
    pub password: Text,
    pub incoming_imap: Text,
    pub incoming_pop3: Text,
    pub outgoing: Text,
    pub filters: Text,
    pub calendar: Text,
    pub contacts: Text,
    pub password_app: Text,
    pub password_either: Text,
    pub make_app_password: Text,
    pub quickest: Text,
    pub steps: Text,
    pub services_off: Text,
}

/// Mail programs, and what to do in each.
#[derive(Debug)]
pub struct ProgramTexts {
    pub thunderbird: Text,
    pub apple: Text,
    pub outlook: Text,
    pub android: Text,
    pub other: Text,
    pub thunderbird_add_on: Text,
    pub thunderbird_add_on_text: Text,
    pub thunderbird_steps: &'static [Text],
    pub apple_profile: Text,
    pub apple_profile_text: Text,
    pub apple_steps: &'static [Text],
    pub outlook_steps: &'static [Text],
    pub android_code: Text,
    pub android_code_text: Text,
    pub android_steps: &'static [Text],
    pub other_steps: &'static [Text],
}

/// *App passwords*.
#[derive(Debug)]
pub struct AppPasswordTexts {
    pub intro: Text,
    pub goes_around: Text,
    pub make: Text,
    pub name: Text,
    pub name_hint: Text,
    pub services: Text,
    pub imap: Text,
    pub pop3: Text,
    pub smtp: Text,
    pub sieve: Text,
    pub dav: Text,
    pub eas: Text,
    pub ends: Text,
    pub never: Text,
    pub days: Text,
    pub networks: Text,
    pub networks_hint: Text,
    pub submit: Text,
    pub proof_hint: Text,
    pub welcome_back: Text,
    pub made: Text,
    pub made_text: Text,
    pub your_password: Text,
    pub scan: Text,
    pub scan_text: Text,
    pub back: Text,
    pub list: Text,
    pub none: Text,
    pub created: Text,
    pub created_from: Text,
    pub ends_on: Text,
    pub ends_never: Text,
    pub last_used: Text,
    pub never_used: Text,
    pub only_from: Text,
    pub revoke: Text,
    pub revoke_named: Text,
    pub revoke_all: Text,
    pub revoke_all_sure: Text,
    pub revoked: Text,
    pub revoked_within: Text,
    pub wrong: Text,
    pub name_empty: Text,
    pub name_long: Text,
    pub services_empty: Text,
    pub services_not_allowed: Text,
    pub days_wrong: Text,
    pub networks_wrong: Text,
    pub too_many: Text,
    pub too_fast: Text,
    pub not_allowed: Text,
}

/// *My sign-ins* and *My sessions*.
#[derive(Debug)]
pub struct ListTexts {
    pub sign_ins_intro: Text,
    pub sign_ins_none: Text,
    pub refused: Text,
    pub refused_intro: Text,
    pub when: Text,
    pub service: Text,
    pub place: Text,
    pub with: Text,
    pub why: Text,
    pub portal: Text,
    pub keycloak: Text,
    pub main_password: Text,
    pub app_password: Text,
    pub app_password_gone: Text,
    pub unknown_to_you: Text,
    pub why_wrong_password: Text,
    pub why_expired: Text,
    pub why_forbidden: Text,
    pub why_app_password_needed: Text,
    pub why_throttled: Text,
    pub why_disabled: Text,
    pub why_other: Text,
    pub sessions_intro: Text,
    pub began: Text,
    pub used: Text,
    pub this_one: Text,
    pub end: Text,
    pub end_named: Text,
    pub end_all: Text,
    pub ended: Text,
}

/// The page for people.
#[derive(Debug)]
pub struct HelpTexts {
    pub intro: Text,
    /// Headings, each with its paragraphs.
    pub parts: &'static [(Text, &'static [Text])],
}
