-- Mails to users: which were sent. Times are seconds since 1970.

CREATE TABLE keydove_notice (
    app_passwd INTEGER NOT NULL,
    occasion   TEXT    NOT NULL CHECK (length(occasion) <= 16),
    attempts   INTEGER NOT NULL,
    retry      INTEGER,                                             -- when it is due once more
    PRIMARY KEY (app_passwd, occasion)
) STRICT;
