-- How often each lease was taken. Whoever writes under a lease says the number with which it was taken. Writes are counted
-- on a server only, where that is what several servers of a cluster agree on.

CREATE TABLE keydove_fence (
    name   TEXT    NOT NULL PRIMARY KEY CHECK (length(name) <= 64),
    number INTEGER NOT NULL,
    writes INTEGER NOT NULL DEFAULT 0
) STRICT;
