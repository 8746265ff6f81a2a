//! What to do about the end of a login, and the steps that lead there: the daemon's own words, in other languages than its
//! own. What a step saw stays in the daemon's words, because these are names, numbers and what servers said.

type Text = &'static str;

/// What to do, by the reason codes that it is for.
#[rustfmt::skip]
pub(super) const GERMAN: &[(&[&str], Text)] = &[
    (&["mechanism_unknown"], "Stellen Sie das Mailprogramm auf ein normales Passwort (PLAIN oder LOGIN)."),
    (&["response_malformed"], "Das Mailprogramm ist fehlerhaft, oder jemand sucht nach Lücken."),
    (&["exchange_abandoned"], "Das Mailprogramm hat mittendrin aufgegeben; sehen Sie in dessen Log nach."),
    (&["name_invalid"], "Melden Sie sich mit der ganzen Adresse an, etwa alice@example.org, oder setzen Sie [login] default_domain."),
    (&["password_invalid"], "Das Passwort ist leer, länger als 1 KiB, oder es enthält ein NUL-Zeichen."),
    (&["authzid_forbidden"], "Das Mailprogramm will als jemand anderes handeln; lassen Sie dort den Berechtigungsnamen leer."),
    (&["service_unknown"], "Kein Maildienst: sehen Sie smtpd_sasl_service in Postfix an, oder erlauben Sie ihn in [login.services]."),
    (&["domain_unknown"], "Diese Domain steht nicht in der Datenbank: keydove domain list; `keydove check` nennt die Datenbank."),
    (&["domain_disabled"], "Schalten Sie sie ein: keydove domain set DOMAIN --active on"),
    (&["mailbox_unknown"], "Legen Sie es an: keydove mailbox add ADRESSE; oder lassen Sie es die erste Anmeldung anlegen: [provisioning] enabled = true."),
    (&["mailbox_disabled"], "Schalten Sie es ein, hier unter „Offen oder geschlossen“, oder: keydove mailbox set ADRESSE --active on (2 heißt: nur Empfang)"),
    (&["mailbox_is_resource"], "Räume, Gruppen und Dinge melden sich nicht an."),
    (&["service_forbidden"], "Schalten Sie ihn ein, hier unter „Dienste“, oder: keydove mailbox set ADRESSE --allow DIENST; App-Passwörter haben eigene Schalter."),
    (&["source_unsupported"], "Die authsource dieses Postfachs hat hier kein Hauptpasswort; nehmen Sie ein App-Passwort, oder: keydove mailbox set ADRESSE --source keycloak"),
    (&["mail_passwords_off"], "Mailpassword Flow ist in mailcows Einstellungen des Identity Providers aus; nehmen Sie ein App-Passwort."),
    (&["second_factor_required"], "Ein zweiter Faktor ist aktiv; nehmen Sie ein App-Passwort."),
    (&["user_unknown"], "Niemand in Keycloak hat diese Adresse: sehen Sie die E-Mail-Adresse der Person an und `lookup` und `domains` in [keycloak]; die Rolle view-users, wenn es alle trifft; und unter User federation: ein abgeschalteter Speicher zeigt niemanden."),
    (&["user_gone"], "Keycloak zeigt niemanden mit der Adresse dieses Postfachs: die Person wurde gelöscht oder hat eine andere E-Mail-Adresse, `domains` in [keycloak] lässt die Domain aus, oder unter User federation ist ihr Speicher abgeschaltet, der dann niemanden zeigt."),
    (&["user_conflict"], "Mehrere Personen in Keycloak haben diese Adresse: machen Sie sie eindeutig."),
    (&["user_replaced"], "Die Adresse gehört zu einer anderen Keycloak-Kennung als zuvor; wenn es dieselbe Person ist: keydove mailbox adopt ADRESSE --id KENNUNG"),
    (&["user_disabled"], "Schalten Sie die Person in Keycloak ein (Users, Enabled). Wenn niemand sie abgeschaltet hat, war es eine dauerhafte Sperre oder ihr Speicher: sehen Sie Realm settings, Security defenses und das Verzeichnis an."),
    (&["user_locked_out"], "Keycloaks Schutz vor dem Durchprobieren hat die Person gesperrt: schalten Sie sie in Keycloak ein (Users, Enabled), und finden Sie heraus, wer dort ihr Passwort probiert hat."),
    (&["store_disabled"], "Die Person ist im Verzeichnis (LDAP, Active Directory) hinter Keycloak abgeschaltet: schalten Sie sie dort ein. Ist sie dort an, leeren Sie Keycloaks user cache (Realm settings, Cache)."),
    (&["provider_off"], "Der Speicher, aus dem die Person kommt, ist in Keycloak abgeschaltet: schalten Sie ihn unter User federation ein."),
    (&["organization_off"], "Die Organisation, zu der die Person gehört, ist abgeschaltet, oder Organisationen sind aus: schalten Sie sie in Keycloak unter Organizations oder Realm settings ein."),
    (&["email_unverified"], "Bestätigen Sie die Adresse in Keycloak, oder setzen Sie require_verified_email = false."),
    (&["attribute_missing"], "Geben Sie der Person die Eigenschaft, die required_attribute nennt."),
    (&["role_missing"], "Geben Sie der Person die Rolle, die required_role nennt."),
    (&["group_missing"], "Nehmen Sie die Person in die Gruppe auf, die required_group nennt."),
    (&["password_missing"], "Setzen Sie die Passwort-Eigenschaft der Person auf das, was `keydove hash` ausgibt; wenn es alle trifft, nehmen Sie die Eigenschaft in Keycloaks user profile auf."),
    (&["password_mismatch"], "Das Passwort ist falsch; `keydove hash --verify` sagt, ob ein gespeicherter Text und ein Passwort zusammenpassen."),
    (&["app_password_required"], "Nur ein App-Passwort öffnet dieses Postfach ([app_passwords] only), und dies ist keines, oder für diesen Dienst, dieses Netz und diese Zeit gibt es keines: keydove app-password add ADRESSE"),
    (&["app_password_mismatch"], "Kein App-Passwort passt, und das Hauptpasswort öffnet dieses Postfach nicht: keydove app-password list ADRESSE"),
    (&["app_password_forbidden"], "Das App-Passwort ist richtig, aber nicht für diesen Dienst oder dieses Netz: keydove app-password list ADRESSE"),
    (&["app_password_expired"], "Das App-Passwort ist richtig, aber abgelaufen: ein neues macht keydove app-password add ADRESSE"),
    (&["token_invalid", "token_signature"], "Das Mailprogramm hat etwas geschickt, das kein Zugriffstoken dieses Realms ist: sehen Sie seine OAuth-Einstellungen an."),
    (&["token_expired"], "Das Mailprogramm muss ein neues Token holen: vielleicht ist sein Refresh-Token abgelaufen, oder eine Uhr geht falsch."),
    (&["token_issuer"], "Das Token ist von einem anderen Realm oder Server: sehen Sie die Einstellungen des Programms und [keycloak] public_url an."),
    (&["token_audience"], "Das Token ist für einen anderen Empfänger oder Client: sehen Sie [oauth] audiences und clients an."),
    (&["token_user_mismatch"], "Name und Token gehören zwei Personen: das Programm muss die Adresse nehmen, deren Token es hat."),
    (&["token_subject_mismatch"], "Die Adresse gehörte jemand anderem, als das Token entstand: das Programm muss ein neues holen."),
    (&["token_revoked"], "Die Sitzung wurde in Keycloak beendet: melden Sie sich neu an."),
    (&["master_user_mismatch"], "Diesen Master-User gibt es nicht, oder das Passwort ist ein anderes: sehen Sie die Datei von [master_users] an."),
    (&["keycloak_dns", "keycloak_refused", "keycloak_reset", "keycloak_timeout"], "Keycloak ist nicht erreichbar: sehen Sie server_url, das Netz und Keycloaks Log an."),
    (&["keycloak_tls"], "Nennen Sie die Zertifizierungsstelle mit ca_file; sehen Sie den Namen im Zertifikat an, und http oder https."),
    (&["keycloak_401"], "Sehen Sie client_id und das Geheimnis des Clients an; der Client braucht ein Dienstkonto (docs/troubleshooting.md)."),
    (&["keycloak_403"], "Geben Sie dem Dienstkonto des Clients die Rolle view-users von realm-management."),
    (&["keycloak_404"], "Sehen Sie realm an (Groß- und Kleinbuchstaben zählen), und ob server_url /auth braucht oder keines haben darf."),
    (&["keycloak_429", "keycloak_5xx", "keycloak_bad_answer"], "Sehen Sie Keycloaks Log an, und einen Proxy davor."),
    (&["keycloak_attribute_hidden"], "Nehmen Sie die Passwort-Eigenschaft in Keycloaks user profile auf (view: admin), oder berichtigen Sie password_attribute."),
    (&["keycloak_store_down"], "Das Verzeichnis (LDAP, Active Directory) hinter Keycloak antwortet ihm nicht: sehen Sie diesen Server an, und unter User federation die Einstellungen für Verbindung und Anmeldung."),
    (&["keycloak_settings"], "Vervollständigen Sie mailcows Einstellungen des Identity Providers."),
    (&["backend_down"], "Der Rechner des Postfachs antwortet nicht: keydove backend list; kein anderer hat dessen Mail."),
    (&["backend_unknown"], "Setzen Sie das [[backend]] wieder ein, oder kopieren Sie die Mail und rufen Sie auf: keydove backend move ADRESSE ZIEL"),
    (&["backend_none"], "Lassen Sie einen Rechner neue Postfächer nehmen: keydove backend undrain NAME, oder ein Gewicht über 0."),
    (&["backend_elsewhere"], "Stellen Sie über einen Proxy zu: lmtp_proxy = yes in Dovecot; oder nennen Sie diesen Rechner: [backends] this"),
    (&["sql_unreachable", "sql_timeout"], "Sehen Sie [storage] und das Log der Datenbank an."),
    (&["sql_error"], "Ein Recht, eine Tabelle oder eine Spalte fehlt, oder eine Zeile hat einen unmöglichen Wert."),
    (&["hash_unusable"], "Setzen Sie {SCHEME} davor (`keydove hash --list`), oder [hashing.schemes] default_scheme; allow_weak für ein schwaches; oder speichern Sie, was `keydove hash` ausgibt."),
    (&["hash_too_costly"], "Setzen Sie das Passwort noch einmal mit geringeren Kosten, oder heben Sie die Grenze in [hashing.schemes] an."),
    (&["refetch_paused"], "keydove hat Keycloak eben erst nach dieser Person gefragt; der nächste Versuch bekommt eine Antwort."),
    (&["token_key_unknown"], "Das Token ist mit einem Schlüssel unterschrieben, den Keycloak vor weniger als 5 Minuten nicht hatte: warten Sie, oder das Programm hat ihn erfunden."),
    (&["hashing_overload"], "Zu viele Passwörter warten auf ihre Prüfung: mehr Prozessorkerne, oder geringere Kosten."),
    (&["app_passwords_untried"], "Widerrufen Sie alte App-Passwörter, oder heben Sie [app_passwords] max_hashes an."),
    (&["throttled"], "Von dort kamen zu viele verschiedene falsche Passwörter: warten Sie, oder: keydove throttle clear; keydove throttle list zeigt, von wem (docs/throttling.md)."),
    (&["master_users_file"], "Berichtigen Sie die Datei von [master_users]: Modus 0600, je Zeile ein `name:{SCHEME}hash`."),
    (&["deadline"], "Die Anmeldung hat im Ganzen zu lange gedauert: `ms` in anderen Zeilen des Logs zeigt, wo."),
    (&["stopping"], "keydove wurde gerade beendet."),
    (&["provision_template_missing", "provision_no_mapping", "provision_quarantine_category_invalid"], "Keine brauchbare Vorlage: [provisioning] default_template und mappings, keydove template list"),
    (&["provision_mailbox_invalid", "provision_object_exists", "provision_is_alias", "provision_is_spam_alias"], "Die Adresse gehört einem Alias oder einem anderen Postfach, oder sie taugt für keines: keydove alias list"),
    (&["provision_reserved_name"], "Der Name ist denen vorbehalten, die die Domain verwalten: keydove mailbox add legt es an, oder [provisioning] allow_reserved_names"),
    (&["provision_domain_unknown", "provision_domain_inactive", "provision_max_mailbox_exceeded", "provision_mailbox_quota_exceeded", "provision_mailbox_quota_left_exceeded"], "Zustand oder Grenzen der Domain verhindern ein Postfach: keydove domain list, keydove domain set"),
    (&["sender_not_owned"], "Die Person muss von ihrer eigenen Adresse senden, oder Sie geben ihr diese: keydove alias add ABSENDER --to PERSON"),
];

/// The names of steps.
pub(super) const GERMAN_STEPS: &[(&str, Text)] = &[
    ("name", "Name"),
    ("password", "Passwort"),
    ("service", "Dienst"),
    ("guessing", "Durchprobieren"),
    ("database", "Datenbank"),
    ("domain", "Domain"),
    ("alias", "Alias"),
    ("mailbox", "Postfach"),
    ("asked anew", "noch einmal gefragt"),
    ("app passwords", "App-Passwörter"),
    ("main password counts", "Hauptpasswort gilt"),
    ("main password", "Hauptpasswort"),
    ("person", "Person"),
    ("template", "Vorlage"),
    ("new mailbox", "neues Postfach"),
    ("backend", "Rechner"),
    ("master user", "Master-User"),
    ("token", "Token"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keydove_words::auth::Reason;

    use super::*;

    /// What is typed is the same in each language: commands, settings, tables of the configuration.
    fn typed(text: &str) -> BTreeSet<&str> {
        let is_typed = |word: &&str| {
            word.contains('_') || word.starts_with('[') || word.starts_with("--") || word.starts_with("docs/")
        };
        text.split_whitespace()
            .map(|word| word.trim_matches(|of: char| ".,;:()`“„".contains(of)))
            .filter(is_typed)
            .collect()
    }

    #[test]
    fn each_reason_has_one_cure_in_each_language_that_names_the_same_commands() {
        for reason in Reason::all() {
            let found: Vec<Text> = GERMAN
                .iter()
                .filter(|(codes, _)| codes.contains(&reason.code()))
                .map(|(_, cure)| *cure)
                .collect();
            assert_eq!(found.len(), usize::from(!reason.cure().is_empty()), "{}", reason.code());
            for cure in found {
                assert_eq!(typed(cure), typed(reason.cure()), "{}", reason.code());
                for verb in ["add", "set", "list", "adopt", "hash", "check", "clear"] {
                    let command =
                        |text: &str| text.split(" keydove ").nth(1).is_some_and(|rest| rest.contains(verb));
                    assert!(!command(reason.cure()) || cure.contains(verb), "{}: {verb}", reason.code());
                }
            }
        }
        let known: BTreeSet<_> = Reason::all().map(Reason::code).collect();
        assert!(GERMAN.iter().flat_map(|(codes, _)| *codes).all(|code| known.contains(code)));
    }

    #[test]
    fn each_step_has_a_name_in_each_language() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/login/decision");
        let mut steps = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            for call in ["trace.step(", "trace.way("] {
                let names = text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                steps.extend(names.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        let named: BTreeSet<_> = GERMAN_STEPS.iter().map(|(step, _)| (*step).to_owned()).collect();
        assert!(steps.len() > 10, "{steps:?}");
        assert_eq!(named, steps);
    }
}
