-- Who may send under an address that is not theirs by an alias, with mailcow's columns and defaults.

CREATE TABLE sender_acl (
    id           INTEGER NOT NULL PRIMARY KEY,
    logged_in_as TEXT    NOT NULL COLLATE NOCASE CHECK (length(logged_in_as) <= 255),
    send_as      TEXT    NOT NULL COLLATE NOCASE CHECK (length(send_as) <= 255),   -- an address, @domain, or *
    external     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX sender_acl_send_as ON sender_acl (send_as);
