//! keydove's portal: what people see of their mail login in a browser.
//!
//! A program of its own, with a user and a Keycloak client of its own. It opens the one network port; it has no database
//! and no rights in Keycloak. All it knows comes from keydove through one Unix socket, one question for each need of a page.
//!
//! | module | what it is |
//! |---|---|
//! | [`serve`] | sockets, connections, start and stop |
//! | [`routes`] | every path, and the guards around them |
//! | [`pages`] | what people see; each handler takes proofs of who asks |
//! | [`session`] | those proofs: [`session::SignedIn`], [`session::RecentlySignedIn`], [`session::Administrator`], [`session::RecentAdministrator`] |
//! | [`sign_in`] | the way through Keycloak and back; sealed cookies |
//! | [`signing`] | profiles signed with a certificate of the administrator's |
//! | [`guard`] | headers of every answer, cross-site requests, limits, whose address it is |
//! | [`problem`] | what went wrong, in words for people |
//! | [`formats`] | settings for mail programs: autoconfig, Autodiscover, PACC, Apple profile, QR code, add-on |
//! | [`daemon`] | questions to keydove |
//! | [`texts`] | every sentence, in each language |
//! | [`config`] | the file, and its faults |
//!
//! One sign-in: `sign_in::start` seals state, nonce and PKCE verifier into a cookie and sends the browser to Keycloak;
//! `sign_in::finish` opens the cookie, fetches and verifies the ID token, and tells keydove, which makes or updates the
//! mailbox and keeps the session. From then on the browser's cookie is looked up with each request.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cookie;
pub mod daemon;
pub mod formats;
pub mod guard;
pub mod pages;
pub mod problem;
pub mod routes;
pub mod serve;
pub mod session;
pub mod sign_in;
pub mod signing;
pub mod texts;
