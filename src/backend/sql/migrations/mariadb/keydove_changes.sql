-- What was changed, so that every node forgets what it remembers of it, and the nodes that follow. keydove makes these
-- tables itself where it has the right to. An administrator may load this file instead. Times are seconds since 1970, by
-- the server's clock.

CREATE TABLE IF NOT EXISTS keydove_change (
    id      BIGINT NOT NULL AUTO_INCREMENT,
    at      BIGINT NOT NULL,
    kind    VARCHAR(16) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    node    VARCHAR(255) NOT NULL,
    PRIMARY KEY (id),
    KEY at (at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS keydove_node (
    node    VARCHAR(255) NOT NULL,
    version VARCHAR(32) NOT NULL,
    started BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (node)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
