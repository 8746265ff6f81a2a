//! keydove's own tables beside mailcow's, in the sets that its parts need.
//!
//! A SQLite file always has all of them. On a server each set is looked for when a work needs it, and made where keydove
//! may; a part whose tables are missing does without.

/// What one part of keydove keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableSet {
    /// Of logins, the sync and the commands. Every work looks for these.
    Logins,
    /// Of the web portal and mails to users.
    Portal,
    /// What nodes tell each other.
    Changes,
    /// The numbers of leases.
    Leases,
    /// On which machine mailboxes live, where there are several.
    Backends,
    /// The log of the sync.
    Runs,
}

/// The tables of a set.
pub(super) struct Tables {
    /// The file that makes them in MariaDB.
    pub(super) file: &'static str,
    /// Those that suffice for logins.
    pub(super) first: &'static [&'static str],
    /// The others, which are younger.
    pub(super) further: &'static [&'static str],
}

const OF_LOGINS: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_tables.sql"),
    first: &["keydove_person", "keydove_app_password"],
    further: &["keydove_lease", "keydove_sync", "keydove_mark"],
};
const OF_PORTAL: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_portal.sql"),
    first: &["keydove_session", "keydove_origin", "keydove_notice"],
    further: &[],
};
const OF_CHANGES: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_changes.sql"),
    first: &["keydove_change", "keydove_node"],
    further: &[],
};
const OF_LEASES: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_fence.sql"),
    first: &["keydove_fence"],
    further: &[],
};
const OF_BACKENDS: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_backends.sql"),
    first: &["keydove_placement", "keydove_backend"],
    further: &[],
};

const OF_RUNS: Tables = Tables {
    file: include_str!("migrations/mariadb/keydove_run.sql"),
    first: &["keydove_run"],
    further: &[],
};

impl TableSet {
    /// In the order of the enum.
    pub(super) const ALL: [Self; 6] =
        [Self::Logins, Self::Portal, Self::Changes, Self::Leases, Self::Backends, Self::Runs];

    pub(super) const fn tables(self) -> &'static Tables {
        match self {
            Self::Logins => &OF_LOGINS,
            Self::Portal => &OF_PORTAL,
            Self::Changes => &OF_CHANGES,
            Self::Leases => &OF_LEASES,
            Self::Backends => &OF_BACKENDS,
            Self::Runs => &OF_RUNS,
        }
    }

    /// The set that has this table; `None` for mailcow's.
    pub(super) fn with(table: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.tables().all().any(|own| own == table))
    }
}

impl Tables {
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.first.iter().chain(self.further).copied()
    }

    /// The file's statements; nothing but their ends is a semicolon there.
    pub(super) fn statements(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.file.split_inclusive(';').filter(|text| !text.trim().is_empty())
    }
}

/// Some of the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableSets(u8);

impl TableSets {
    pub(super) const NONE: Self = Self(0);

    pub(super) const fn of(set: TableSet) -> Self {
        Self(1 << set as u8)
    }

    /// This one, or none.
    pub(super) const fn of_if(is_needed: bool, set: TableSet) -> Self {
        if is_needed { Self::of(set) } else { Self::NONE }
    }

    pub(super) const fn and(self, set: TableSet) -> Self {
        Self(self.0 | Self::of(set).0)
    }

    pub(super) const fn has(self, set: TableSet) -> bool {
        self.0 & Self::of(set).0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{TableSet, TableSets};

    #[test]
    fn each_own_table_is_one_statement_of_its_file() {
        let code = |text: &str| text.lines().filter(|line| !line.starts_with("--")).collect::<String>();
        for set in TableSet::ALL {
            let statements: Vec<String> = set.tables().statements().map(code).collect();
            let tables: Vec<&str> = set.tables().all().collect();
            assert_eq!(statements.len(), tables.len());
            for (statement, table) in statements.iter().zip(tables) {
                assert!(
                    statement.starts_with(&format!("CREATE TABLE IF NOT EXISTS {table} (")),
                    "{statement}"
                );
                assert_eq!(TableSet::with(table), Some(set));
            }
        }
        assert_eq!(TableSet::with("mailbox"), None);
    }

    #[test]
    fn a_set_is_in_what_it_was_added_to_alone() {
        let two = TableSets::of(TableSet::Portal).and(TableSet::Leases);
        let found: Vec<TableSet> = TableSet::ALL.into_iter().filter(|set| two.has(*set)).collect();
        assert_eq!(found, [TableSet::Portal, TableSet::Leases]);
        assert_eq!(TableSets::of_if(false, TableSet::Portal), TableSets::NONE);
        assert!(!TableSet::ALL.into_iter().any(|set| TableSets::NONE.has(set)));
    }
}
