//! What the parts of a realm are to be, given what they are. What a realm has for others stays as it is.

use serde_json::{Map, Value, json};

use super::change::State;

/// The events by which a user's record changes.
const EVENTS: [&str; 7] = [
    "DELETE_ACCOUNT",
    "REGISTER",
    "UPDATE_CREDENTIAL",
    "UPDATE_EMAIL",
    "UPDATE_PROFILE",
    "USER_DISABLED_BY_PERMANENT_LOCKOUT",
    "VERIFY_EMAIL",
];
/// How long Keycloak keeps events, in seconds: an hour is far more than keydove needs, a day helps a person who looks.
const EXPIRATION: u64 = 86_400;
/// Some fields of an object; `a.b` is the field `b` of `a`.
pub(super) fn pick(object: &Value, fields: &[&str]) -> Value {
    let value = |field: &str| field.split('.').fold(object, |object, step| &object[step]).clone();
    fields.iter().map(|field| ((*field).to_owned(), value(field))).collect::<Map<_, _>>().into()
}

/// The other way round.
pub(super) fn put(object: &mut Value, fields: &Value) {
    for (field, value) in fields.as_object().into_iter().flatten() {
        let slot = field.split('.').fold(&mut *object, |object, step| &mut object[step]);
        *slot = value.clone();
    }
}

/// A client that was found keeps what else it is for, such as mailcow's sign-in.
pub(super) fn merged_client(before: &State) -> State {
    let mut client = match before {
        State::Json(client) => client.clone(),
        _ => json!({ "standardFlowEnabled": false, "directAccessGrantsEnabled": false }),
    };
    put(&mut client, &json!({ "enabled": true, "publicClient": false, "serviceAccountsEnabled": true }));
    State::Json(client)
}

pub(super) fn merged_password(before: &State) -> State {
    merged_attribute(before, "mailcow_password", "Mail password hash", 512)
}

pub(super) fn merged_template(before: &State) -> State {
    merged_attribute(before, "mailcow_template", "Mailbox template", 255)
}

/// An attribute that was found keeps its other settings; view and edit are for administrators only.
fn merged_attribute(before: &State, name: &str, display: &str, longest: u32) -> State {
    let mut attribute = match before {
        State::Json(attribute) => attribute.clone(),
        _ => json!({
            "name": name, "displayName": display, "multivalued": false,
            "validations": { "length": { "max": longest } },
        }),
    };
    let admin = json!(["admin"]);
    let permissions = &mut attribute["permissions"];
    if permissions["view"] != admin || permissions["edit"] != admin {
        *permissions = json!({ "view": admin, "edit": admin });
    }
    State::Json(attribute)
}

/// The same editors but the users themselves, who could change their address and log in to another's mailbox.
pub(super) fn without_users(before: &State) -> State {
    let State::Json(Value::Array(editors)) = before else { return before.clone() };
    State::Json(editors.iter().filter(|editor| **editor != "user").cloned().collect())
}

/// Events that were on before stay on.
pub(super) fn merged_events(before: &State) -> State {
    let State::Json(before) = before else { return before.clone() };
    let mut events = before.clone();
    put(&mut events, &json!({ "adminEventsEnabled": true, "eventsEnabled": true }));
    let kept: Vec<&str> =
        before["enabledEventTypes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // An empty list is all of them.
    if !kept.is_empty() || before["eventsEnabled"] != true {
        let mut all: Vec<&str> = kept.iter().copied().chain(EVENTS).collect();
        all.sort_unstable();
        all.dedup();
        events["enabledEventTypes"] = all.into();
    }
    // Without an end they fill Keycloak's database.
    if before["eventsExpiration"].as_u64().unwrap_or(0) == 0 {
        events["eventsExpiration"] = EXPIRATION.into();
    }
    if before["attributes.adminEventsExpiration"].is_null() {
        events["attributes.adminEventsExpiration"] = EXPIRATION.to_string().into();
    }
    State::Json(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_found_client_keeps_what_else_it_is_for() {
        let found = json!({
            "enabled": false, "publicClient": true, "serviceAccountsEnabled": false,
            "standardFlowEnabled": true, "directAccessGrantsEnabled": true,
        });
        let State::Json(merged) = merged_client(&State::Json(found)) else { panic!() };
        assert_eq!((&merged["standardFlowEnabled"], &merged["enabled"]), (&json!(true), &json!(true)));
        let State::Json(new) = merged_client(&State::Absent) else { panic!() };
        assert_eq!(new["standardFlowEnabled"], false);
        let again = State::Json(merged);
        assert_eq!(merged_client(&again), again);
    }

    #[test]
    fn what_is_right_stays_as_it_is() {
        let right = json!({ "name": "mailcow_password", "permissions": { "view": ["admin"], "edit": ["admin"] },
            "validations": { "length": { "max": 2048 } } });
        assert_eq!(merged_password(&State::Json(right.clone())), State::Json(right));
        for open in [json!(["admin", "user"]), json!([]), Value::Null] {
            let found =
                json!({ "name": "mailcow_password", "permissions": { "view": ["admin"], "edit": open } });
            let State::Json(merged) = merged_password(&State::Json(found)) else { panic!() };
            assert_eq!(merged["permissions"]["edit"], json!(["admin"]));
        }
        assert_eq!(without_users(&State::Json(json!(["admin"]))), State::Json(json!(["admin"])));
        assert_eq!(without_users(&State::Json(json!(["admin", "user"]))), State::Json(json!(["admin"])));
        assert_eq!(without_users(&State::Absent), State::Absent);
    }

    #[test]
    fn events_that_were_on_stay_on() {
        let on = json!({ "eventsEnabled": true, "enabledEventTypes": [], "eventsExpiration": 60 });
        let State::Json(merged) = merged_events(&State::Json(on)) else { panic!() };
        assert_eq!((&merged["enabledEventTypes"], &merged["eventsExpiration"]), (&json!([]), &json!(60)));
        let off = json!({ "eventsEnabled": false, "enabledEventTypes": ["LOGIN"] });
        let State::Json(merged) = merged_events(&State::Json(off)) else { panic!() };
        let types = merged["enabledEventTypes"].as_array().unwrap();
        assert!(types.contains(&json!("LOGIN")) && types.contains(&json!("UPDATE_EMAIL")));
        let again = State::Json(merged);
        assert_eq!(merged_events(&again), again);
    }
}
