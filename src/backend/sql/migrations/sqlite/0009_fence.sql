-- How often each lease was taken. Whoever writes under a lease says the number with which it was taken.

CREATE TABLE keydove_fence (
    name   TEXT    NOT NULL PRIMARY KEY CHECK (length(name) <= 64),
    number INTEGER NOT NULL
) STRICT;
