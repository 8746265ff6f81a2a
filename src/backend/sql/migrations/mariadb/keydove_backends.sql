-- Which backend a mailbox lives on, and which backends take no new ones, with [[backend]] only. keydove makes these tables
-- itself where it has the right to. An administrator may load this file instead.

CREATE TABLE IF NOT EXISTS keydove_placement (
    mailbox VARCHAR(255) NOT NULL,
    backend VARCHAR(64) NOT NULL,
    PRIMARY KEY (mailbox),
    KEY backend (backend, mailbox)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS keydove_backend (
    name    VARCHAR(64) NOT NULL,
    drained TINYINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
