-- Which backend a mailbox lives on, and which backends take no new ones.

CREATE TABLE keydove_placement (
    mailbox TEXT NOT NULL PRIMARY KEY,
    backend TEXT NOT NULL
) STRICT;

CREATE INDEX keydove_placement_backend ON keydove_placement (backend, mailbox);

CREATE TABLE keydove_backend (
    name    TEXT    NOT NULL PRIMARY KEY,
    drained INTEGER NOT NULL CHECK (drained IN (0, 1))
) STRICT;
