-- The log of the sync: a row for each run, on whichever node it was. Times are seconds since 1970. `heard` is when the run was
-- heard of last: one that has not ended and is silent was cut off. `report` and `people` are JSON.

CREATE TABLE keydove_run (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    node       TEXT    NOT NULL,
    started_by TEXT    NOT NULL,
    dry_run    INTEGER NOT NULL,
    began      INTEGER NOT NULL,
    heard      INTEGER NOT NULL,
    ended      INTEGER,
    outcome    TEXT    NOT NULL,
    report     TEXT    NOT NULL,
    people     TEXT    NOT NULL
) STRICT;
