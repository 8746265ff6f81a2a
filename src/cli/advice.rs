//! What to do about each reason code. A person who looks into a log in the middle of the night reads one sentence.

/// What to look at or to change; `None` where the verdict says all, and for codes that are none.
pub(super) fn advice(reason: &str) -> Option<&'static str> {
    of_form(reason).or_else(|| of_row(reason)).or_else(|| of_person(reason)).or_else(|| of_trouble(reason))
}

/// What the mail client sent.
fn of_form(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "mechanism_unknown" => "set the mail client to a normal password (PLAIN or LOGIN)",
        "response_malformed" => "the mail client is broken, or a scanner",
        "exchange_abandoned" => "the mail client gave up half-way; look at its own log",
        "name_invalid" => {
            "log in with the whole address, such as alice@example.org, or set [login] default_domain"
        }
        "password_invalid" => "the password is empty, longer than 1 KiB, or holds a NUL",
        "authzid_forbidden" => "the client asks to act as another user; leave its authorization name empty",
        "master_user_mismatch" => {
            "there is no such master user, or the password is another: look at the file of [master_users]"
        }
        "token_invalid" | "token_signature" => {
            "the client sent something that is no access token of this realm: look at its OAuth settings"
        }
        "token_expired" => {
            "the client must fetch a new token: its refresh token may be over, or a clock is wrong"
        }
        "token_issuer" => {
            "the token is of another realm or server: look at the client's settings, and at [keycloak] public_url"
        }
        "token_audience" => {
            "the token was made for another audience or client: look at [oauth] audiences and clients"
        }
        "token_subject_mismatch" => {
            "the address belonged to another person when the token was made: let the client fetch a new one"
        }
        "token_user_mismatch" => {
            "the name and the token belong to two users: let the client use the address of the token's owner"
        }
        "token_revoked" => "the session was ended in Keycloak: log in again",
        "service_unknown" => {
            "no mail service: look at smtpd_sasl_service in Postfix, or allow it in [login.services]"
        }
        _ => return None,
    })
}

/// What the database says.
fn of_row(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "service_forbidden" => {
            "switch it on: keydove mailbox set ADDRESS --allow SERVICE; app passwords have switches of their own"
        }
        "domain_unknown" => {
            "there is no such domain in the database: keydove domain list; `keydove check` names the database"
        }
        "domain_disabled" => "switch it on: keydove domain set DOMAIN --active on",
        "mailbox_unknown" => {
            "make it: keydove mailbox add ADDRESS; or let the first login make it: [provisioning] enabled = true"
        }
        "mailbox_disabled" => "switch it on: keydove mailbox set ADDRESS --active on (2 is receive-only)",
        "mailbox_is_resource" => "rooms, groups and things have no login",
        "source_unsupported" => {
            "the authsource of this mailbox has no main password here; use an app password, or keydove mailbox set ADDRESS --source keycloak"
        }
        "mail_passwords_off" => {
            "Mailpassword Flow is off in mailcow's identity provider settings; use an app password"
        }
        "second_factor_required" => "a second factor is active; use an app password",
        "app_password_mismatch" => {
            "no app password fits, and the main password does not open this mailbox: keydove app-password list ADDRESS"
        }
        "app_password_required" => {
            "only an app password opens this mailbox ([app_passwords] only), and this is none, or none was made for this service, network and time: keydove app-password add ADDRESS"
        }
        "app_password_forbidden" => {
            "the app password is right, but not for this service or network: keydove app-password list ADDRESS"
        }
        "app_password_expired" => {
            "the app password is right, but its time is over: make a new one with keydove app-password add ADDRESS"
        }
        _ => return None,
    })
}

/// What Keycloak says.
fn of_person(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "user_unknown" => {
            "no user in Keycloak has this address: look at the user's email, at `lookup` and `domains` in [keycloak], at the role view-users if it hits everybody, and under User federation: a store that is switched off shows nobody"
        }
        "user_gone" => {
            "Keycloak shows no user with the address of this mailbox: the user was deleted or has another email, `domains` in [keycloak] leaves the domain out, or under User federation their store is switched off, which then shows nobody"
        }
        "user_conflict" => "several users in Keycloak have this address: make it unique",
        "user_replaced" => {
            "the address belongs to another Keycloak id than before; if it is the same person: keydove mailbox adopt ADDRESS --id ID"
        }
        "user_disabled" => {
            "enable the user in Keycloak (Users, Enabled); if nobody disabled them, it was a permanent lockout or their user store: look at Realm settings, Security defenses, and at the directory"
        }
        "user_locked_out" => {
            "Keycloak's brute force detection locked the user out: enable them in Keycloak (Users, Enabled), and find out who tried their password there"
        }
        "store_disabled" => {
            "the user is disabled in the directory (LDAP, Active Directory) behind Keycloak: enable them there; if they are enabled there, clear Keycloak's user cache (Realm settings, Cache)"
        }
        "provider_off" => {
            "the user federation provider that the user comes from is switched off in Keycloak: switch it on under User federation"
        }
        "organization_off" => {
            "the organization that manages the user is disabled, or organizations are off: enable it in Keycloak under Organizations or Realm settings"
        }
        "email_unverified" => "verify the address in Keycloak, or set require_verified_email = false",
        "attribute_missing" => "give the user the attribute that required_attribute names",
        "role_missing" => "give the user the role that required_role names",
        "group_missing" => "put the user into the group that required_group names",
        "password_missing" => {
            "set the user's password attribute to what `keydove hash` prints; if it hits everybody, declare the attribute in Keycloak's user profile"
        }
        "password_mismatch" => {
            "the password is wrong; `keydove hash --verify` tells whether a stored string and a password fit"
        }
        _ => return None,
    })
}

/// Why nobody can tell.
fn of_trouble(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "keycloak_dns" | "keycloak_refused" | "keycloak_reset" | "keycloak_timeout" => {
            "Keycloak is not reached: look at server_url, at the network, and at Keycloak's own log"
        }
        "keycloak_tls" => {
            "name the authority with ca_file; look at the name in the certificate, and at http or https"
        }
        "keycloak_401" => {
            "look at client_id and at the client's secret; the client needs a service account (docs/troubleshooting.md)"
        }
        "keycloak_403" => "give the client's service account the role view-users of realm-management",
        "keycloak_404" => {
            "look at realm (letter case counts), and whether server_url needs or must lose /auth"
        }
        "keycloak_429" | "keycloak_5xx" | "keycloak_bad_answer" => {
            "look at Keycloak's own log, and at a proxy before it"
        }
        "keycloak_attribute_hidden" => {
            "declare the password attribute in Keycloak's user profile (view: admin), or mend password_attribute"
        }
        "keycloak_store_down" => {
            "the directory (LDAP, Active Directory) behind Keycloak does not answer it: look at that server, and at the provider's connection and bind settings under User federation"
        }
        "keycloak_settings" => "complete mailcow's identity provider settings",
        "sql_unreachable" | "sql_timeout" => "look at [storage], and at the database's own log",
        "sql_error" => "a right, a table or a column is missing, or a row holds an impossible value",
        "hash_unusable" => {
            "put {SCHEME} before it (`keydove hash --list`), or [hashing.schemes] default_scheme; allow_weak for a weak one; or store what `keydove hash` prints"
        }
        "hash_too_costly" => {
            "set the password again with a lower cost, or raise the cap in [hashing.schemes]"
        }
        "provision_domain_inactive"
        | "provision_domain_unknown"
        | "provision_max_mailbox_exceeded"
        | "provision_mailbox_quota_exceeded"
        | "provision_mailbox_quota_left_exceeded" => {
            "the domain's state or limits prevent a mailbox: keydove domain list, keydove domain set"
        }
        "provision_no_mapping" | "provision_template_missing" | "provision_quarantine_category_invalid" => {
            "no usable template: [provisioning] default_template and mappings, keydove template list"
        }
        "provision_is_alias"
        | "provision_is_spam_alias"
        | "provision_object_exists"
        | "provision_mailbox_invalid" => {
            "the address is taken by an alias or another mailbox, or makes no mailbox: keydove alias list"
        }
        "provision_reserved_name" => {
            "the name is reserved for the administrators of the domain: keydove mailbox add creates it, or [provisioning] allow_reserved_names"
        }
        "app_passwords_untried" => "revoke old app passwords, or raise [app_passwords] max_hashes",
        "refetch_paused" => {
            "keydove asked Keycloak about this user a moment ago; the next try gets an answer"
        }
        "token_key_unknown" => {
            "the token is signed with a key that Keycloak did not have less than 5 min ago: wait, or the client made it up"
        }
        "hashing_overload" => "too many passwords wait to be hashed: more cores, or lower costs",
        "throttled" => {
            "too many different wrong passwords came from there: wait, or use keydove throttle clear; keydove throttle list shows whose (docs/throttling.md)"
        }
        "master_users_file" => "mend the file of [master_users]: mode 0600, one `name:{SCHEME}hash` a line",
        "deadline" => "the login as a whole took too long: the `ms` of other log lines show where",
        "stopping" => "keydove was stopping",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Denial, TempFailReason};

    #[test]
    fn there_is_advice_for_every_reason() {
        let denials = Denial::ALL.into_iter().map(Denial::code);
        let codes = denials.chain(TempFailReason::all().map(TempFailReason::code));
        let without: Vec<_> = codes.filter(|code| advice(code).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(advice("keycloak"), None);
    }
}
