-- mailcow's table of SOGo's users. Only mailcow has it; where it is missing, nothing writes it.

CREATE TABLE _sogo_static_view (
    c_uid             VARCHAR(255) NOT NULL,
    domain            VARCHAR(255) NOT NULL,
    c_name            VARCHAR(255) NOT NULL,
    c_password        VARCHAR(255) NOT NULL DEFAULT '',
    c_cn              VARCHAR(255) DEFAULT NULL,
    c_l               VARCHAR(255) DEFAULT NULL,
    c_o               VARCHAR(255) DEFAULT NULL,
    c_ou              VARCHAR(255) DEFAULT NULL,
    c_telephonenumber VARCHAR(255) DEFAULT NULL,
    mail              VARCHAR(255) NOT NULL,
    aliases           TEXT NOT NULL,
    ad_aliases        VARCHAR(6144) NOT NULL DEFAULT '',
    ext_acl           VARCHAR(6144) NOT NULL DEFAULT '',
    kind              VARCHAR(100) NOT NULL DEFAULT '',
    multiple_bookings INT NOT NULL DEFAULT -1,
    PRIMARY KEY (c_uid),
    KEY domain (domain)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;
