-- The tables that creating a mailbox writes and that app passwords need, with mailcow's columns and defaults,
-- and keydove's own, whose names begin with `keydove_`.

CREATE TABLE alias (
    id              INTEGER NOT NULL PRIMARY KEY,
    address         TEXT    NOT NULL UNIQUE COLLATE NOCASE CHECK (length(address) <= 255),
    goto            TEXT    NOT NULL,
    domain          TEXT    NOT NULL COLLATE NOCASE CHECK (length(domain) <= 255),
    created         TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified        TEXT,
    private_comment TEXT,
    public_comment  TEXT,
    sogo_visible    INTEGER NOT NULL DEFAULT 1,
    internal        INTEGER NOT NULL DEFAULT 0,
    sender_allowed  INTEGER NOT NULL DEFAULT 1,
    active          INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX alias_domain_of_address ON alias (domain);

CREATE TABLE alias_domain (
    alias_domain  TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(alias_domain) <= 255),
    target_domain TEXT    NOT NULL COLLATE NOCASE CHECK (length(target_domain) <= 255),
    created       TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified      TEXT,
    active        INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX alias_domain_target ON alias_domain (target_domain);

CREATE TABLE spamalias (
    address     TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(address) <= 255),
    goto        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    created     TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified    TEXT,
    validity    INTEGER,
    permanent   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE templates (
    id         INTEGER NOT NULL PRIMARY KEY,
    template   TEXT    NOT NULL COLLATE NOCASE CHECK (length(template) <= 255),
    type       TEXT    NOT NULL CHECK (length(type) <= 255),
    attributes TEXT    CHECK (attributes IS NULL OR json_valid(attributes)),
    created    TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified   TEXT
) STRICT;

CREATE TABLE quota2 (
    username TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(username) <= 255),
    bytes    INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE quota2replica (
    username TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(username) <= 255),
    bytes    INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE user_acl (
    username                TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE
                                    REFERENCES mailbox (username) ON DELETE CASCADE,
    spam_alias              INTEGER NOT NULL DEFAULT 1,
    tls_policy              INTEGER NOT NULL DEFAULT 1,
    spam_score              INTEGER NOT NULL DEFAULT 1,
    spam_policy             INTEGER NOT NULL DEFAULT 1,
    delimiter_action        INTEGER NOT NULL DEFAULT 1,
    syncjobs                INTEGER NOT NULL DEFAULT 0,
    eas_reset               INTEGER NOT NULL DEFAULT 1,
    sogo_profile_reset      INTEGER NOT NULL DEFAULT 0,
    pushover                INTEGER NOT NULL DEFAULT 1,
    quarantine              INTEGER NOT NULL DEFAULT 1,
    quarantine_attachments  INTEGER NOT NULL DEFAULT 1,
    quarantine_notification INTEGER NOT NULL DEFAULT 1,
    quarantine_category     INTEGER NOT NULL DEFAULT 1,
    app_passwds             INTEGER NOT NULL DEFAULT 1,
    pw_reset                INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE tags_mailbox (
    tag_name TEXT NOT NULL COLLATE NOCASE CHECK (length(tag_name) <= 255),
    username TEXT NOT NULL COLLATE NOCASE REFERENCES mailbox (username) ON DELETE CASCADE,
    UNIQUE (tag_name, username)
) STRICT;

CREATE TABLE app_passwd (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL CHECK (length(name) <= 255),
    mailbox      TEXT    NOT NULL COLLATE NOCASE REFERENCES mailbox (username) ON DELETE CASCADE,
    domain       TEXT    NOT NULL COLLATE NOCASE CHECK (length(domain) <= 255),
    password     TEXT    NOT NULL CHECK (length(password) <= 255),
    created      TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified     TEXT,
    imap_access  INTEGER NOT NULL DEFAULT 1,
    smtp_access  INTEGER NOT NULL DEFAULT 1,
    dav_access   INTEGER NOT NULL DEFAULT 1,
    eas_access   INTEGER NOT NULL DEFAULT 1,
    pop3_access  INTEGER NOT NULL DEFAULT 1,
    sieve_access INTEGER NOT NULL DEFAULT 1,
    active       INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX app_passwd_mailbox ON app_passwd (mailbox);

CREATE TABLE sasl_log (
    service      TEXT    NOT NULL DEFAULT '' COLLATE NOCASE CHECK (length(service) <= 32),
    app_password INTEGER,
    username     TEXT    NOT NULL COLLATE NOCASE CHECK (length(username) <= 255),
    real_rip     TEXT    NOT NULL COLLATE NOCASE CHECK (length(real_rip) <= 64),
    datetime     TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (service, real_rip, username)
) STRICT;

CREATE INDEX sasl_log_username ON sasl_log (username);
CREATE INDEX sasl_log_datetime ON sasl_log (datetime);

CREATE TABLE identity_provider (
    key      TEXT NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(key) <= 255),
    value    TEXT NOT NULL,
    created  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    modified TEXT
) STRICT;

-- Who a mailbox belongs to in Keycloak, and which template was applied to it last.
CREATE TABLE keydove_person (
    mailbox              TEXT    NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(mailbox) <= 255),
    keycloak_id          TEXT    NOT NULL CHECK (length(keycloak_id) <= 255),
    source               TEXT    NOT NULL DEFAULT '' CHECK (length(source) <= 255), -- which Keycloak
    template_name        TEXT    CHECK (length(template_name) <= 255),
    template_fingerprint TEXT    CHECK (length(template_fingerprint) <= 40),        -- empty: a part of it is still due
    template_attributes  TEXT,                                                      -- as last applied
    first_seen           TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    missing_since        TEXT,
    missed_runs          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What mailcow's `app_passwd` has no column for.
CREATE TABLE keydove_app_password (
    app_passwd INTEGER NOT NULL PRIMARY KEY REFERENCES app_passwd (id) ON DELETE CASCADE,
    expires    INTEGER,  -- seconds since 1970; NULL is never
    networks   TEXT      -- separated by commas; NULL is from anywhere
) STRICT;

CREATE TRIGGER alias_modified AFTER UPDATE ON alias WHEN NEW.modified IS OLD.modified
BEGIN
    UPDATE alias SET modified = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;

CREATE TRIGGER templates_modified AFTER UPDATE ON templates WHEN NEW.modified IS OLD.modified
BEGIN
    UPDATE templates SET modified = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
