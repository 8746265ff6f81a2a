-- The tables `domain`, `mailbox` and `tfa` with mailcow's columns, defaults and meanings.
-- Names compare without regard to ASCII case, like mailcow's do; accents always differ.

CREATE TABLE domain (
    domain               TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(domain) <= 255),
    description          TEXT    CHECK (length(description) <= 255),
    aliases              INTEGER NOT NULL DEFAULT 0,
    mailboxes            INTEGER NOT NULL DEFAULT 0,       -- most mailboxes; provisioning stops there
    defquota             INTEGER NOT NULL DEFAULT 3072,    -- MiB
    maxquota             INTEGER NOT NULL DEFAULT 102400,  -- MiB, of one mailbox
    quota                INTEGER NOT NULL DEFAULT 102400,  -- MiB, of all together
    relayhost            TEXT    NOT NULL DEFAULT '0',
    backupmx             INTEGER NOT NULL DEFAULT 0,
    gal                  INTEGER NOT NULL DEFAULT 1,
    relay_all_recipients INTEGER NOT NULL DEFAULT 0,
    relay_unknown_only   INTEGER NOT NULL DEFAULT 0,
    created              TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified             TEXT,
    active               INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE mailbox (
    username            TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(username) <= 255),
    password            TEXT    NOT NULL CHECK (length(password) <= 255),
    name                TEXT    CHECK (length(name) <= 255),
    description         TEXT    CHECK (length(description) <= 255),
    mailbox_path_prefix TEXT    DEFAULT '/var/vmail/' CHECK (length(mailbox_path_prefix) <= 150),
    quota               INTEGER NOT NULL DEFAULT 102400,   -- bytes, 0 is unlimited
    local_part          TEXT    NOT NULL CHECK (length(local_part) <= 255),
    domain              TEXT    NOT NULL COLLATE NOCASE CHECK (length(domain) <= 255),
    attributes          TEXT    CHECK (attributes IS NULL OR json_valid(attributes)),
    custom_attributes   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(custom_attributes)),
    kind                TEXT    NOT NULL DEFAULT '' CHECK (length(kind) <= 100),
    multiple_bookings   INTEGER NOT NULL DEFAULT -1,
    authsource          TEXT    DEFAULT 'mailcow'
                                CHECK (authsource IN ('mailcow', 'keycloak', 'generic-oidc', 'ldap')),
    created             TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified            TEXT,
    active              INTEGER NOT NULL DEFAULT 1         -- 0 off, 1 on, 2 receives only
) STRICT;

CREATE INDEX mailbox_domain ON mailbox (domain);
CREATE INDEX mailbox_kind ON mailbox (kind);
-- Lists go in binary order.
CREATE INDEX mailbox_username_binary ON mailbox (username COLLATE BINARY);

CREATE TABLE tfa (
    id       INTEGER NOT NULL PRIMARY KEY,
    key_id   TEXT    NOT NULL CHECK (length(key_id) <= 255),
    username TEXT    NOT NULL COLLATE NOCASE CHECK (length(username) <= 255),
    authmech TEXT    CHECK (authmech IN ('yubi_otp', 'u2f', 'hotp', 'totp', 'webauthn')),
    active   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX tfa_username ON tfa (username);

CREATE TRIGGER domain_modified AFTER UPDATE ON domain WHEN NEW.modified IS OLD.modified
BEGIN
    UPDATE domain SET modified = CURRENT_TIMESTAMP WHERE domain = NEW.domain;
END;

CREATE TRIGGER mailbox_modified AFTER UPDATE ON mailbox WHEN NEW.modified IS OLD.modified
BEGIN
    UPDATE mailbox SET modified = CURRENT_TIMESTAMP WHERE username = NEW.username;
END;
