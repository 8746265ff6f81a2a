-- How often each lease was taken, and how often was written under it. keydove makes this table itself where it has the
-- right to. An administrator may load this file instead.

CREATE TABLE IF NOT EXISTS keydove_fence (
    name   VARCHAR(64) NOT NULL,
    number BIGINT NOT NULL,
    writes BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
