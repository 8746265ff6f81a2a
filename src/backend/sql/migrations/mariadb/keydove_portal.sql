-- The web portal's tables beside mailcow's: who is signed in, from where app passwords were made there, and which mails about
-- them were sent to users. keydove makes them itself where it has the right to. An administrator may load this file instead.

CREATE TABLE IF NOT EXISTS keydove_session (
    id            BIGINT NOT NULL AUTO_INCREMENT,
    session       CHAR(64) NOT NULL,
    mailbox       VARCHAR(255) NOT NULL,
    issuer        VARCHAR(512) NOT NULL,
    subject       VARCHAR(255) NOT NULL,
    sid           VARCHAR(255) DEFAULT NULL,
    auth_time     BIGINT NOT NULL,
    administrator TINYINT NOT NULL DEFAULT 0,
    remote        VARCHAR(45) DEFAULT NULL,
    browser       VARCHAR(60) NOT NULL DEFAULT '',
    created       BIGINT NOT NULL,
    used          BIGINT NOT NULL,
    ends          BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY session (session),
    KEY subject (subject),
    KEY sid (sid),
    KEY ends (ends)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS keydove_origin (
    app_passwd INT NOT NULL,
    mailbox    VARCHAR(255) NOT NULL,
    created    BIGINT NOT NULL,
    remote     VARCHAR(45) DEFAULT NULL,
    PRIMARY KEY (app_passwd),
    KEY mailbox (mailbox)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS keydove_notice (
    app_passwd INT NOT NULL,
    occasion   VARCHAR(16) NOT NULL,
    attempts   BIGINT NOT NULL,
    retry      BIGINT DEFAULT NULL,
    PRIMARY KEY (app_passwd, occasion)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
