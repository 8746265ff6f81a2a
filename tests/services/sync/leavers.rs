//! Off-boarding: nobody is switched off too soon, too many never are, and nothing is deleted.

use crate::ensure;
use crate::mailcow::world::End::{Accept, Refuse};
use crate::mailcow::world::{Attempt, OTHER, RIGHT, attempt_at, person};
use crate::mailcow::{WorldCase, app_password};
use crate::stage::Result;

use super::field::{Field, counts};

const SETTINGS: &str = "\n[sync]\nimport = true\nimport_limit = 100\npause = \"0\"\n";

pub const CASES: &[WorldCase] = &[
    ("a_leaver_is_switched_off_after_three_runs_and_on_again_on_return", |world| {
        let (field, people) = company(world, "want12", "receive-only", 12)?;
        app_password(world, &people[0], "active = 1")?;
        field.admin.update(&people[0], |user| user["enabled"] = false.into())?;
        field.admin.delete(&people[1])?;
        for _ in 0..2 {
            counts(&field.sync(&[])?, &[("seen", 11), ("unchanged", 10), ("disabled", 1)])?;
        }
        ensure(field.mailboxes("active = 1")? == 12, || "somebody was switched off too soon".to_owned())?;
        let dry = field.sync(&["--dry-run"])?;
        ensure(dry["deactivated"] == 2 && field.mailboxes("active = 1")? == 12, || dry.to_string())?;
        let third = field.sync(&[])?;
        counts(&third, &[("seen", 11), ("unchanged", 10), ("disabled", 1), ("deactivated", 2)])?;
        ensure(field.mailboxes("active = 2")? == 2, || "they were not switched off".to_owned())?;
        // A want of its own: mail still comes in, and neither password opens anything.
        for password in [RIGHT, OTHER] {
            attempt_at(&field.keydove, Attempt::new(&people[0], password), Refuse("mailbox_disabled"))?;
        }
        let fourth = field.sync(&[])?;
        counts(&fourth, &[("seen", 11), ("unchanged", 10), ("disabled", 1)])?;
        // Back again, by the sync and not by a hand.
        field.admin.update(&people[0], |user| user["enabled"] = true.into())?;
        counts(&field.sync(&[])?, &[("seen", 11), ("unchanged", 10), ("restored", 1)])?;
        attempt_at(&field.keydove, Attempt::new(&people[0], RIGHT), Accept("keycloak"))?;
        attempt_at(&field.keydove, Attempt::new(&people[0], OTHER), Accept("app_password"))?;
        // What an administrator switched off stays off.
        world.system.execute(&format!("UPDATE mailbox SET active = 0 WHERE username = '{}'", people[2]))?;
        field.sync(&[])?;
        ensure(field.mailboxes("active = 0")? == 1, || "a hand's work was undone".to_owned())?;
        nothing_was_deleted(&field, 12)
    }),
    ("too_many_at_once_are_refused_until_somebody_says_so", |world| {
        let (field, people) = company(world, "want12mass", "disabled", 16)?;
        for address in &people[..7] {
            field.admin.delete(address)?;
        }
        for _ in 0..2 {
            counts(&field.sync(&[])?, &[("seen", 9), ("unchanged", 9)])?;
        }
        for _ in 0..2 {
            let expected = [("seen", 9), ("unchanged", 9), ("refused_deactivations", 7)];
            counts(&field.sync(&[])?, &expected)?;
        }
        ensure(field.mailboxes("active = 1")? == 16, || "some were switched off".to_owned())?;
        let expected = [("seen", 9), ("unchanged", 9), ("deactivated", 7)];
        counts(&field.sync(&["--allow-mass-change"])?, &expected)?;
        ensure(field.mailboxes("active = 0")? == 7, || "not all were switched off".to_owned())?;
        nothing_was_deleted(&field, 16)
    }),
    ("a_realm_that_does_not_answer_takes_nobody_away", |world| {
        let (field, people) = company(world, "trap46", "disabled", 3)?;
        field.admin.delete(&people[0])?;
        for _ in 0..2 {
            field.sync(&[])?;
        }
        field.admin.change_realm(&serde_json::json!({ "enabled": false }))?;
        for _ in 0..3 {
            let report = field.try_sync(&[])?;
            ensure(report["complete"] == false && report["deactivated"] == 0, || report.to_string())?;
        }
        ensure(field.mailboxes("active = 1")? == 3, || "somebody was switched off".to_owned())?;
        field.admin.change_realm(&serde_json::json!({ "enabled": true }))?;
        counts(&field.sync(&[])?, &[("seen", 2), ("unchanged", 2), ("deactivated", 1)])
    }),
];

/// So many people who have mailboxes.
pub fn company<'w>(
    world: &'w crate::mailcow::world::World<'w>,
    name: &'static str,
    deactivate: &str,
    size: usize,
) -> Result<(Field<'w>, Vec<String>)> {
    let people: Vec<_> = (0..size).map(|number| format!("p{number:02}@{name}.example")).collect();
    let users = people.iter().map(|email| person(email)).collect();
    let settings = format!("{SETTINGS}deactivate = \"{deactivate}\"\n");
    let field = Field::new(world, name, users, &settings)?;
    counts(&field.sync(&[])?, &[("seen", size as u64), ("created", size as u64)])?;
    Ok((field, people))
}

fn nothing_was_deleted(field: &Field<'_>, size: usize) -> Result<()> {
    ensure(field.mailboxes("1 = 1")? == size, || "a mailbox is gone".to_owned())
}
