-- The tables of mailboxes, aliases, templates and logins in mailcow's shapes, for MariaDB without mailcow.
--
-- keydove does not run this file: an administrator loads it once into an empty database, for instance with
--     mariadb keydove < 0001_mailboxes.sql
-- Never load it into mailcow's database, which has these tables already.

CREATE TABLE domain (
    domain               VARCHAR(255) NOT NULL,
    description          VARCHAR(255) DEFAULT NULL,
    aliases              INT NOT NULL DEFAULT 0,
    mailboxes            INT NOT NULL DEFAULT 0,
    defquota             BIGINT NOT NULL DEFAULT 3072,
    maxquota             BIGINT NOT NULL DEFAULT 102400,
    quota                BIGINT NOT NULL DEFAULT 102400,
    relayhost            VARCHAR(255) NOT NULL DEFAULT '0',
    backupmx             TINYINT(1) NOT NULL DEFAULT 0,
    gal                  TINYINT(1) NOT NULL DEFAULT 1,
    relay_all_recipients TINYINT(1) NOT NULL DEFAULT 0,
    relay_unknown_only   TINYINT(1) NOT NULL DEFAULT 0,
    created              DATETIME NOT NULL DEFAULT NOW(),
    modified             DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    active               TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (domain)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE mailbox (
    username            VARCHAR(255) NOT NULL,
    password            VARCHAR(255) NOT NULL,
    name                VARCHAR(255) DEFAULT NULL,
    description         VARCHAR(255) DEFAULT NULL,
    mailbox_path_prefix VARCHAR(150) DEFAULT '/var/vmail/',
    quota               BIGINT NOT NULL DEFAULT 102400,
    local_part          VARCHAR(255) NOT NULL,
    domain              VARCHAR(255) NOT NULL,
    attributes          JSON DEFAULT NULL,
    custom_attributes   JSON NOT NULL DEFAULT ('{}'),
    kind                VARCHAR(100) NOT NULL DEFAULT '',
    multiple_bookings   INT NOT NULL DEFAULT -1,
    authsource          ENUM('mailcow', 'keycloak', 'generic-oidc', 'ldap') DEFAULT 'mailcow',
    created             DATETIME NOT NULL DEFAULT NOW(),
    modified            DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    active              TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (username),
    KEY domain (domain),
    KEY kind (kind)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE tfa (
    id       INT NOT NULL AUTO_INCREMENT,
    key_id   VARCHAR(255) NOT NULL,
    username VARCHAR(255) NOT NULL,
    authmech ENUM('yubi_otp', 'u2f', 'hotp', 'totp', 'webauthn') DEFAULT NULL,
    active   TINYINT NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY username (username)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE alias (
    id              INT NOT NULL AUTO_INCREMENT,
    address         VARCHAR(255) NOT NULL,
    goto            TEXT NOT NULL,
    domain          VARCHAR(255) NOT NULL,
    created         DATETIME NOT NULL DEFAULT NOW(),
    modified        DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    private_comment TEXT,
    public_comment  TEXT,
    sogo_visible    TINYINT(1) NOT NULL DEFAULT 1,
    internal        TINYINT(1) NOT NULL DEFAULT 0,
    sender_allowed  TINYINT(1) NOT NULL DEFAULT 1,
    active          TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (id),
    UNIQUE KEY address (address),
    KEY domain (domain)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE alias_domain (
    alias_domain  VARCHAR(255) NOT NULL,
    target_domain VARCHAR(255) NOT NULL,
    created       DATETIME NOT NULL DEFAULT NOW(),
    modified      DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    active        TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (alias_domain),
    KEY active (active),
    KEY target_domain (target_domain)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE spamalias (
    address     VARCHAR(255) NOT NULL,
    goto        TEXT NOT NULL,
    description TEXT NOT NULL,
    created     DATETIME NOT NULL DEFAULT NOW(),
    modified    DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    validity    INT DEFAULT NULL,
    permanent   TINYINT(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (address)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE templates (
    id         INT NOT NULL AUTO_INCREMENT,
    template   VARCHAR(255) NOT NULL,
    type       VARCHAR(255) NOT NULL,
    attributes JSON DEFAULT NULL,
    created    DATETIME NOT NULL DEFAULT NOW(),
    modified   DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE quota2 (
    username VARCHAR(255) NOT NULL,
    bytes    BIGINT NOT NULL DEFAULT 0,
    messages BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (username)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE quota2replica (
    username VARCHAR(255) NOT NULL,
    bytes    BIGINT NOT NULL DEFAULT 0,
    messages BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (username)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE user_acl (
    username                VARCHAR(255) NOT NULL,
    spam_alias              TINYINT(1) NOT NULL DEFAULT 1,
    tls_policy              TINYINT(1) NOT NULL DEFAULT 1,
    spam_score              TINYINT(1) NOT NULL DEFAULT 1,
    spam_policy             TINYINT(1) NOT NULL DEFAULT 1,
    delimiter_action        TINYINT(1) NOT NULL DEFAULT 1,
    syncjobs                TINYINT(1) NOT NULL DEFAULT 0,
    eas_reset               TINYINT(1) NOT NULL DEFAULT 1,
    sogo_profile_reset      TINYINT(1) NOT NULL DEFAULT 0,
    pushover                TINYINT(1) NOT NULL DEFAULT 1,
    quarantine              TINYINT(1) NOT NULL DEFAULT 1,
    quarantine_attachments  TINYINT(1) NOT NULL DEFAULT 1,
    quarantine_notification TINYINT(1) NOT NULL DEFAULT 1,
    quarantine_category     TINYINT(1) NOT NULL DEFAULT 1,
    app_passwds             TINYINT(1) NOT NULL DEFAULT 1,
    pw_reset                TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (username),
    FOREIGN KEY (username) REFERENCES mailbox (username) ON DELETE CASCADE ON UPDATE NO ACTION
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE tags_mailbox (
    tag_name VARCHAR(255) NOT NULL,
    username VARCHAR(255) NOT NULL,
    UNIQUE KEY tag_name (tag_name, username),
    FOREIGN KEY (username) REFERENCES mailbox (username) ON DELETE CASCADE ON UPDATE NO ACTION
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE app_passwd (
    id           INT NOT NULL AUTO_INCREMENT,
    name         VARCHAR(255) NOT NULL,
    mailbox      VARCHAR(255) NOT NULL,
    domain       VARCHAR(255) NOT NULL,
    password     VARCHAR(255) NOT NULL,
    created      DATETIME NOT NULL DEFAULT NOW(),
    modified     DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    imap_access  TINYINT(1) NOT NULL DEFAULT 1,
    smtp_access  TINYINT(1) NOT NULL DEFAULT 1,
    dav_access   TINYINT(1) NOT NULL DEFAULT 1,
    eas_access   TINYINT(1) NOT NULL DEFAULT 1,
    pop3_access  TINYINT(1) NOT NULL DEFAULT 1,
    sieve_access TINYINT(1) NOT NULL DEFAULT 1,
    active       TINYINT(1) NOT NULL DEFAULT 1,
    PRIMARY KEY (id),
    KEY mailbox (mailbox),
    KEY password (password),
    KEY domain (domain),
    FOREIGN KEY (mailbox) REFERENCES mailbox (username) ON DELETE CASCADE ON UPDATE NO ACTION
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE sasl_log (
    service      VARCHAR(32) NOT NULL DEFAULT '',
    app_password INT DEFAULT NULL,
    username     VARCHAR(255) NOT NULL,
    real_rip     VARCHAR(64) NOT NULL,
    datetime     DATETIME NOT NULL DEFAULT NOW(),
    PRIMARY KEY (service, real_rip, username),
    KEY username (username),
    KEY service (service),
    KEY datetime (datetime),
    KEY real_rip (real_rip)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE identity_provider (
    `key`    VARCHAR(255) NOT NULL,
    value    TEXT NOT NULL,
    created  DATETIME NOT NULL DEFAULT NOW(),
    modified DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (`key`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE sender_acl (
    id           INT NOT NULL AUTO_INCREMENT,
    logged_in_as VARCHAR(255) NOT NULL,
    send_as      VARCHAR(255) NOT NULL,
    external     TINYINT(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY send_as (send_as)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
