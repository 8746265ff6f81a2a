-- What the sync keeps: who may run it now, and what it knows of a mailbox beyond keydove_person.

CREATE TABLE keydove_lease (
    name     TEXT    NOT NULL PRIMARY KEY CHECK (length(name) <= 64),
    holder   TEXT    NOT NULL DEFAULT '' CHECK (length(holder) <= 255),
    expires  INTEGER NOT NULL DEFAULT 0,  -- seconds since 1970, by the database's clock
    finished INTEGER NOT NULL DEFAULT 0   -- the end of the last complete run
) STRICT;

CREATE TABLE keydove_sync (
    mailbox     TEXT NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(mailbox) <= 255),
    source_name TEXT CHECK (length(source_name) <= 255),  -- the name that Keycloak had last
    switched_to INTEGER                                   -- what the sync set mailbox.active to; NULL: nothing
) STRICT;
