//! A real Postfix, whose policy, tables and logins are keydove's, while the directory behind Keycloak is away: no answer is
//! for good, so no mail comes back to its sender.

use super::company::{Company, PEOPLE};
use crate::clients::{Login, Smtp, smtp_login};
use crate::mailcow::WorldCase;
use crate::mailcow::world::{RIGHT, World};
use crate::stage::Result;
use crate::stage::directory::Import;
use crate::stage::exchanger::{Exchanger, Shape};
use crate::{ensure, eventually, expect, transport};

pub const CASES: &[WorldCase] = &[
    (
        "postfix_sends_no_mail_back_while_the_directory_is_down_and_mail_passes_after_it_with_import_on",
        |world| no_mail_comes_back(world, "ldap-mail-on", Import::On),
    ),
    (
        "postfix_sends_no_mail_back_while_the_directory_is_down_and_mail_passes_after_it_with_import_off",
        |world| no_mail_comes_back(world, "ldap-mail-off", Import::Off),
    ),
];

fn no_mail_comes_back(world: &World<'_>, name: &'static str, import: Import) -> Result<()> {
    let mut company = Company::found(world, name, import)?;
    company.log_in(&PEOPLE)?;
    company.log_in(&["loc"])?;
    let name = if import == Import::On { "pfd1" } else { "pfd2" };
    let shape = Shape { name, chrooted: true, proxied: false, database_is_down: false };
    let postfix = Exchanger::start_with(world.system, shape, |text| company.settings(&text))?;
    // Their sessions are open when it happens; of the others this keydove has never heard.
    let mut open = Vec::new();
    for local in ["ann", "loc"] {
        let mut smtp = transport(Smtp::connect(postfix.submission))?;
        expect(local, smtp.auth_plain(Login { user: &company.at(local), password: RIGHT }), "235 ")?;
        expect(local, own_mail(&mut smtp, &company.at(local)), "250 ")?;
        open.push((local, smtp));
    }

    company.directory.kill()?;
    during_the_outage(&company, &postfix, &mut open)?;
    company.directory.start_again()?;
    company.directory.freeze()?;
    during_the_outage(&company, &postfix, &mut open)?;
    company.directory.thaw()?;

    for local in PEOPLE {
        let sender = company.at(local);
        eventually(|| {
            let mut smtp = transport(Smtp::connect(postfix.submission))?;
            expect(local, smtp.auth_plain(Login { user: &sender, password: RIGHT }), "235 ")?;
            expect(local, smtp.send(&sender, &company.at("ben"), "after it", "read me"), "250 ")
        })?;
    }
    // From everybody, and what a stranger sent in each of the two outages.
    let folder = world.system.stage().path(&format!("mail/{}/ben/Maildir/new", company.domain()));
    eventually(|| {
        let found = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        ensure(found >= PEOPLE.len() + 2, || format!("{found} mails; Postfix says\n{}", postfix.log()))
    })
}

/// Whoever is logged in goes on sending, strangers' mail is taken, and a login ends well or is to be tried again.
fn during_the_outage(company: &Company<'_>, postfix: &Exchanger, open: &mut [(&str, Smtp)]) -> Result<()> {
    Company::grow_old();
    for (local, smtp) in open {
        let answer = transport(own_mail(smtp, &company.at(local)))?;
        ensure(is_not_for_good(&answer), || format!("the policy about {local}: {answer}"))?;
    }
    let mut stranger = transport(Smtp::connect(postfix.smtp))?;
    expect("MAIL", stranger.command("MAIL FROM:<>"), "250 ")?;
    for local in PEOPLE {
        let answer = transport(stranger.command(&format!("RCPT TO:<{}>", company.at(local))))?;
        ensure(is_not_for_good(&answer), || format!("the recipient {local}: {answer}"))?;
    }
    expect("RSET", stranger.command("RSET"), "250 ")?;
    expect("a stranger's mail", stranger.send("", &company.at("ben"), "during it", "read me"), "250 ")?;
    for local in PEOPLE {
        let user = company.at(local);
        let answer = transport(smtp_login(postfix.submission, Login { user: &user, password: RIGHT }))?;
        ensure(answer.starts_with("235 ") || answer.starts_with("454 "), || {
            format!("the login of {local}: {answer}")
        })?;
    }
    let log = postfix.log();
    ensure(!log.contains(": 550 ") && !log.contains(": 554 "), || log.clone())
}

fn is_not_for_good(answer: &str) -> bool {
    ["250 ", "450 ", "451 "].iter().any(|beginning| answer.starts_with(beginning))
}

/// The answer to a recipient, with which Postfix also asks the policy about the sender.
fn own_mail(smtp: &mut Smtp, sender: &str) -> std::io::Result<String> {
    smtp.command(&format!("MAIL FROM:<{sender}>"))?;
    let answer = smtp.command(&format!("RCPT TO:<{sender}>"))?;
    smtp.command("RSET")?;
    Ok(answer)
}
