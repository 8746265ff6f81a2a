-- What stays the same about a person when Keycloak gives them a new id: a value of an attribute, such as LDAP_ID.

CREATE TABLE keydove_mark (
    mailbox   TEXT NOT NULL PRIMARY KEY COLLATE NOCASE CHECK (length(mailbox) <= 255),
    attribute TEXT NOT NULL CHECK (length(attribute) <= 255),
    value     TEXT NOT NULL CHECK (length(value) <= 255)
) STRICT;
