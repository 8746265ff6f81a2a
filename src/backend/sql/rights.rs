//! Which rights the database user needs, and for what: one table, which `keydove check` tries out and `keydove grants`
//! prints. Who writes a statement that asks for a table or column of its own adds it here.

mod right;
mod statements;
mod table;
mod trial;

pub use right::{Feature, Right, Verb};
pub use statements::grants;
pub use trial::{Account, Lack, Missing};

/// Every right that these features need, the features in order.
///
/// Who only compares logins remembers nothing, and needs none of keydove's own tables.
#[must_use]
pub fn needed(features: &[Feature]) -> Vec<Right> {
    let mut features = features.to_vec();
    features.sort_unstable();
    features.dedup();
    let remembers = features.contains(&Feature::Owners) || !features.contains(&Feature::Comparisons);
    let rights = features.into_iter().flat_map(table::of);
    rights.filter(|right| remembers || !right.is_of_own_table()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_is_of_columns_that_the_tables_have() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for migration in crate::backend::sql::migrate::all() {
            connection.execute_batch(migration).unwrap();
        }
        for right in needed(&Feature::ALL).into_iter().filter(|right| !right.is_of_optional_table()) {
            let columns = if right.columns.is_empty() { "*".to_owned() } else { right.columns.join(", ") };
            let statement = format!("SELECT {columns} FROM {}", right.table);
            assert!(connection.prepare(&statement).is_ok(), "{right:?}");
            let is_whole = matches!(right.verb, Verb::Delete | Verb::Create);
            assert_eq!(right.columns.is_empty(), is_whole, "{right:?}");
        }
    }

    #[test]
    fn who_only_compares_only_reads() {
        let rights = needed(&[Feature::Logins, Feature::AppPasswords, Feature::Comparisons]);
        assert!(rights.iter().all(|right| right.verb == Verb::Select || right.is_for_mysql()), "{rights:?}");
        assert!(!rights.iter().any(Right::is_of_own_table), "{rights:?}");
    }

    #[test]
    fn features_come_once_and_in_order() {
        let twice = needed(&[Feature::AppPasswords, Feature::Logins, Feature::Logins]);
        assert_eq!(twice, needed(&[Feature::Logins, Feature::AppPasswords]));
        assert!(Feature::ALL.iter().all(|feature| !needed(&[*feature]).is_empty()));
    }
}
