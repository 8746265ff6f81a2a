-- keydove's own tables beside mailcow's. keydove makes them itself where it has the right to. An administrator
-- may load this file instead. Nothing here refers to mailcow's tables, so that mailcow may change them freely.

CREATE TABLE IF NOT EXISTS keydove_person (
    mailbox              VARCHAR(255) NOT NULL,
    keycloak_id          VARCHAR(255) NOT NULL,
    source               VARCHAR(255) NOT NULL DEFAULT '',
    template_name        VARCHAR(255) DEFAULT NULL,
    template_fingerprint VARCHAR(40) DEFAULT NULL,
    template_attributes  LONGTEXT DEFAULT NULL,
    first_seen           DATETIME NOT NULL DEFAULT NOW(),
    missing_since        DATETIME DEFAULT NULL,
    missed_runs          INT NOT NULL DEFAULT 0,
    PRIMARY KEY (mailbox)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS keydove_app_password (
    app_passwd INT NOT NULL,
    expires    BIGINT DEFAULT NULL,
    networks   TEXT DEFAULT NULL,
    PRIMARY KEY (app_passwd)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS keydove_lease (
    name     VARCHAR(64) NOT NULL,
    holder   VARCHAR(255) NOT NULL DEFAULT '',
    expires  BIGINT NOT NULL DEFAULT 0,
    finished BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS keydove_sync (
    mailbox     VARCHAR(255) NOT NULL,
    source_name VARCHAR(255) DEFAULT NULL,
    switched_to TINYINT DEFAULT NULL,
    PRIMARY KEY (mailbox)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE IF NOT EXISTS keydove_mark (
    mailbox   VARCHAR(255) NOT NULL,
    attribute VARCHAR(255) NOT NULL,
    value     VARCHAR(255) NOT NULL,
    PRIMARY KEY (mailbox)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
