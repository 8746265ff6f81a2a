//! Names of services and people that stand for others.

use super::Named;
use crate::auth_socket::AuthSocket;
use crate::mailcow::WorldCase;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, RIGHT, RIGHT_HASH, attempt_at};
use crate::{ensure, transport};

pub const CASES: &[WorldCase] = &[
    ("an_allowed_service_name_counts_as_its_service_and_is_logged_as_it_was_given", |world| {
        let services = "\n[login.services]\nXMPP = \"imap\"\nradicale = \"dav\"\n";
        let named = Named::start(world, "doors-services", "", services)?;
        let user = "doors-services@case.example";
        world.person_with_hash(user, RIGHT_HASH)?;
        let log_in =
            |service, end| attempt_at(&named.keydove, Attempt { service, ..Attempt::new(user, RIGHT) }, end);
        for service in ["xmpp", "XMPP", "Xmpp", "radicale"] {
            let line = log_in(service, Accept("keycloak"))?.0;
            let counts_as = if service == "radicale" { "dav" } else { "imap" };
            let words = format!(
                " service={} mech=PLAIN remote=192.0.2.9 counts_as={counts_as} ",
                service.to_lowercase()
            );
            ensure(line.contains(&words), || line.clone())?;
        }
        // Names that keydove knows are logged as ever, and names that nobody allowed are refused as ever.
        let line = log_in("imap", Accept("keycloak"))?.0;
        ensure(line.contains(" service=imap ") && !line.contains("counts_as"), || line.clone())?;
        log_in("jabber", Refuse("service_unknown"))?;
        // The other service's switch counts.
        world.system.execute(
            "UPDATE mailbox SET attributes = '{\"imap_access\":\"0\"}' WHERE username = 'doors-services@case.example'",
        )?;
        log_in("xmpp", Refuse("service_forbidden"))?;
        log_in("radicale", Accept("keycloak"))?;
        named.explains(user, "XMPP", &["\"service\": \"xmpp\"", "service_forbidden"])?;
        named.explains(user, "radicale", &["\"verdict\": \"accept\""])?;
        // What a peer makes up is no label.
        let numbers = named.numbers("keydove_logins_total")?;
        ensure(numbers.contains("service=\"dav\"") && !numbers.contains("xmpp"), || numbers.clone())
    }),
    ("a_name_without_a_domain_gets_the_default_one_at_every_door", |world| {
        let master = world.system.stage().path("keydove/doors-domain.master");
        let listener = format!("\n[[listener]]\ndoor = \"auth-master\"\npath = \"{}\"\n", master.display());
        let named = Named::start(world, "doors-domain", "default_domain = \"CASE.example\"", &listener)?;
        let user = "doors-domain@case.example";
        world.person_with_hash(user, RIGHT_HASH)?;
        for name in ["doors-domain", "Doors-Domain", user] {
            let line = attempt_at(&named.keydove, Attempt::new(name, RIGHT), Accept("keycloak"))?.0;
            ensure(line.contains(user), || line.clone())?;
        }
        attempt_at(&named.keydove, Attempt::new("doors-domain", "wrong"), Refuse("password_mismatch"))?;
        for odd in ["doors-domain@", "@", "", "doors\tdomain", "doors/domain"] {
            attempt_at(&named.keydove, Attempt::new(odd, RIGHT), Refuse("name_invalid"))?;
        }
        // Mail processes are told the whole name.
        let mut client = transport(AuthSocket::client(named.keydove.client_socket()?, 8001))?;
        transport(client.login(1, "doors-domain", RIGHT))?;
        let answer = transport(client.line())?;
        ensure(answer == format!("OK\t1\tuser={user}"), || answer.clone())?;
        let mut lookups = transport(AuthSocket::master(&master))?;
        transport(lookups.send(b"USER\t1\tdoors-domain\tservice=lmtp\n"))?;
        let answer = transport(lookups.line())?;
        ensure(answer.starts_with(&format!("USER\t1\t{user}\t")), || answer.clone())?;
        named.explains("doors-domain", "imap", &[user, "\"verdict\": \"accept\""])
    }),
    ("without_a_default_domain_a_name_without_one_is_refused_as_ever", |world| {
        world.ends_unasked("doors-nobody", RIGHT, Refuse("name_invalid"))
    }),
];
