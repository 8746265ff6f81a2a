-- The tables `domain`, `mailbox` and `tfa` in mailcow's shapes, for MariaDB without mailcow.
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
