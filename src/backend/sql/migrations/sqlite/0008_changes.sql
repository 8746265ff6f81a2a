-- What was changed, so that every process forgets what it remembers of it. Times are seconds since 1970, by this
-- database's clock.

CREATE TABLE keydove_change (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL CHECK (length(kind) <= 16),      -- later versions may have others
    subject TEXT    NOT NULL CHECK (length(subject) <= 255),  -- an address, a domain, or nothing
    node    TEXT    NOT NULL CHECK (length(node) <= 255)      -- who has forgotten it already; empty for nobody
) STRICT;

CREATE INDEX keydove_change_at ON keydove_change (at);

CREATE TABLE keydove_node (
    node    TEXT    NOT NULL PRIMARY KEY CHECK (length(node) <= 255),
    version TEXT    NOT NULL CHECK (length(version) <= 32),
    started INTEGER NOT NULL,
    read_at INTEGER NOT NULL                                  -- it has followed every change until then
) STRICT;
