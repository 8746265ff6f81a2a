-- The log of the sync: a row for each run, on whichever node it was. keydove makes this table itself where it has the right to.
-- An administrator may load this file instead.

CREATE TABLE IF NOT EXISTS keydove_run (
    id         BIGINT NOT NULL AUTO_INCREMENT,
    node       VARCHAR(255) NOT NULL,
    started_by VARCHAR(16) NOT NULL,
    dry_run    TINYINT NOT NULL,
    began      BIGINT NOT NULL,
    heard      BIGINT NOT NULL,
    ended      BIGINT NULL,
    outcome    VARCHAR(16) NOT NULL,
    report     MEDIUMTEXT NOT NULL,
    people     MEDIUMTEXT NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
