-- The web portal: who is signed in, and from where app passwords were made there. Times are seconds since 1970.

CREATE TABLE keydove_session (
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    session       TEXT    NOT NULL UNIQUE CHECK (length(session) = 64),  -- SHA-256 of the cookie's value
    mailbox       TEXT    NOT NULL CHECK (length(mailbox) <= 255),
    issuer        TEXT    NOT NULL CHECK (length(issuer) <= 512),
    subject       TEXT    NOT NULL CHECK (length(subject) <= 255),
    sid           TEXT    CHECK (length(sid) <= 255),                    -- Keycloak's session
    auth_time     INTEGER NOT NULL,
    administrator INTEGER NOT NULL DEFAULT 0,
    remote        TEXT    CHECK (length(remote) <= 45),
    browser       TEXT    NOT NULL DEFAULT '' CHECK (length(browser) <= 60),
    created       INTEGER NOT NULL,
    used          INTEGER NOT NULL,
    ends          INTEGER NOT NULL
) STRICT;

CREATE INDEX keydove_session_subject ON keydove_session (subject);
CREATE INDEX keydove_session_sid ON keydove_session (sid);
CREATE INDEX keydove_session_ends ON keydove_session (ends);

CREATE TABLE keydove_origin (
    app_passwd INTEGER NOT NULL PRIMARY KEY,
    mailbox    TEXT    NOT NULL CHECK (length(mailbox) <= 255),
    created    INTEGER NOT NULL,
    remote     TEXT    CHECK (length(remote) <= 45)
) STRICT;

CREATE INDEX keydove_origin_mailbox ON keydove_origin (mailbox);
