//! Every statement, as text. Where the two dialects agree there is one.

use crate::auth::Username;

/// Three reads in one statement, hence of one moment: the domain, the mailbox, its active second factors.
///
/// Each takes two spellings of the name: the domain as A-labels, and as U-labels. No text is compared with a
/// derived column, which would fail where the connection's collation is not the table's.
pub(super) const FIND_MAILBOX: &str = "\
SELECT 1 AS part, domain AS row_name, active, NULL AS kind, NULL AS authsource, NULL AS password, \
       NULL AS quota, NULL AS attributes \
  FROM domain WHERE domain IN (?, ?) \
UNION ALL \
SELECT 2, username, active, kind, authsource, password, quota, attributes \
  FROM mailbox WHERE username IN (?, ?) \
UNION ALL \
SELECT 3, username, active, NULL, NULL, NULL, NULL, NULL \
  FROM tfa WHERE username IN (?, ?) AND active = 1";

/// The parameters of [`FIND_MAILBOX`].
pub(super) fn find_mailbox_parameters(user: &Username) -> [String; 6] {
    let (name, domain) = (user.as_str(), user.domain());
    let unicode_name = user.with_unicode_domain().unwrap_or_else(|| name.to_owned());
    let unicode_domain = unicode_name.rsplit_once('@').map_or(domain, |(_, domain)| domain);
    [domain, unicode_domain, name, &unicode_name, name, &unicode_name].map(str::to_owned)
}

/// Binary order, because under a collation the name after `muller` may equal it and a page would repeat or skip.
pub(super) const LIST_MAILBOXES_SQLITE: &str = "\
SELECT username, kind FROM mailbox \
 WHERE active IN (1, 2) AND username COLLATE BINARY > ? \
 ORDER BY username COLLATE BINARY LIMIT ?";

/// The same for MariaDB, where the order is that of the UTF-8 bytes too.
pub(super) const LIST_MAILBOXES_MARIADB: &str = "\
SELECT username, kind FROM mailbox \
 WHERE active IN (1, 2) AND CAST(username AS BINARY) > CAST(? AS BINARY) \
 ORDER BY CAST(username AS BINARY) LIMIT ?";
