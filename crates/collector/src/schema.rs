//! The tables. Every row belongs to a tenant; a CSLU has one.

use rumline_store::Migration;

/// All migrations, oldest first. A released one is never changed.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: V1 },
    Migration { version: 2, sql: rumline_server::AUDIT_TABLE },
    Migration { version: 3, sql: rumline_server::IDENTITY_TABLE },
    Migration { version: 4, sql: V4 },
    Migration { version: 5, sql: rumline_server::GRANTS_TABLE },
    Migration { version: 6, sql: rumline_server::AUDIT_CHANGES },
    Migration { version: 7, sql: rumline_server::SECOND_FACTOR_TABLES },
    Migration { version: 8, sql: rumline_server::KEPT_ANSWERS_TABLE },
    Migration { version: 9, sql: rumline_server::WEBHOOK_TABLES },
    Migration { version: 10, sql: rumline_server::AUDIT_API_TOKEN },
    Migration { version: 11, sql: rumline_server::SECOND_FACTOR_BEGUN_BY },
    Migration { version: 12, sql: rumline_server::DELIVERY_NUMBERS },
    Migration { version: 13, sql: V13 },
    Migration { version: 14, sql: rumline_server::PROVIDED_TABLE },
    Migration { version: 15, sql: rumline_server::SECRET_ENDS },
    Migration { version: 16, sql: rumline_server::WORK_TABLE },
    Migration { version: 17, sql: rumline_server::KEPT_FILE_TABLES },
];

/// Switches of before Smart Licensing Using Policy that are registered here, with the tokens they register with.
const V13: &str = "
CREATE TABLE id_token (
    tenant_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    value TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    uses_max BIGINT,
    uses BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX id_token_value ON id_token (value);
-- message: what the switch said last of its licences, as it said it; CSSM hears of it while is_told is 0.
-- is_over: the switch went; the row stays until CSSM has heard of it.
CREATE TABLE older_registration (
    tenant_id BIGINT NOT NULL,
    instance_id BIGINT NOT NULL,
    nonce TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    message TEXT,
    message_nonce TEXT,
    is_told BIGINT NOT NULL,
    is_over BIGINT NOT NULL,
    public_key TEXT NOT NULL,
    PRIMARY KEY (tenant_id, instance_id)
);
CREATE INDEX older_registration_key ON older_registration (public_key);
-- Of which licences there is not enough in the account, as CSSM said last.
CREATE TABLE older_balance (
    tenant_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    is_short BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, tag)
);
";

const V4: &str = "ALTER TABLE tenant ADD COLUMN description TEXT NOT NULL DEFAULT '';";

const V1: &str = "
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
CREATE TABLE person (
    login TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    scope_id BIGINT,
    created_at BIGINT NOT NULL
);
CREATE TABLE api_token (
    hash BYTEA NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE api_client (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash BYTEA NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE tenant (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    smart_account TEXT NOT NULL,
    virtual_account TEXT NOT NULL,
    connected BIGINT NOT NULL,
    registered BIGINT NOT NULL,
    sync_minutes BIGINT NOT NULL,
    sync_wanted BIGINT NOT NULL,
    last_sync_at BIGINT,
    sync_error TEXT,
    sync_failures BIGINT NOT NULL,
    sync_tried_at BIGINT,
    standing TEXT,
    policy_document TEXT,
    policy_at BIGINT NOT NULL,
    offered_again_at BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);
-- Which certificates of CSSM hold no more, as its root says.
CREATE TABLE revocation (
    version BIGINT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    signature BYTEA NOT NULL
);
-- Devices with another key than the one a UDI is known by.
CREATE TABLE claim (
    tenant_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    instance_id BIGINT NOT NULL,
    pid TEXT NOT NULL,
    serial TEXT NOT NULL,
    public_key TEXT NOT NULL,
    address TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, instance_id, public_key)
);
CREATE TABLE instance (
    tenant_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    pid TEXT NOT NULL,
    serial TEXT NOT NULL,
    public_key TEXT,
    hostname TEXT,
    software_version TEXT,
    software_tag TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    last_contact_at BIGINT,
    last_report_at BIGINT,
    last_ack_at BIGINT,
    trust_requests TEXT,
    wants_answer BIGINT NOT NULL,
    waiting BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    undelivered BIGINT NOT NULL,
    delivered_at BIGINT,
    policy_at BIGINT NOT NULL,
    alert TEXT,
    removed_at BIGINT,
    -- 0, or its own id once it is removed: one of a UDI is not.
    removed_id BIGINT NOT NULL,
    -- Since when it reports to another tenant.
    elsewhere_at BIGINT,
    message_millis BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX instance_udi ON instance (tenant_id, serial, pid, removed_id);
CREATE INDEX instance_serial ON instance (serial);
CREATE INDEX instance_refused ON instance (tenant_id, id) WHERE refused > 0;
CREATE INDEX instance_wanting ON instance (tenant_id, id) WHERE wants_answer = 1;
-- state: 0 waits for CSSM, 1 is acknowledged, 2 was refused by CSSM, 3 is reported by its device under another number.
-- rival: 0, or the place among others of the same number: a device was set back, or there are two of it.
CREATE TABLE report (
    tenant_id BIGINT NOT NULL,
    instance_id BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    rival BIGINT NOT NULL,
    state BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    answer_id BIGINT,
    sha256 BYTEA NOT NULL,
    payload TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, report_id, rival)
);
CREATE INDEX report_waiting ON report (tenant_id, received_at, instance_id, report_id)
    WHERE state = 0;
CREATE INDEX report_refused ON report (tenant_id, instance_id) WHERE state = 2;
CREATE TABLE answer (
    tenant_id BIGINT NOT NULL,
    instance_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    document TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    delivered_at BIGINT,
    PRIMARY KEY (tenant_id, instance_id, id),
    UNIQUE (tenant_id, instance_id, sha256)
);
CREATE TABLE license_use (
    tenant_id BIGINT NOT NULL,
    instance_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    count BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, instance_id, tag)
    -- by key
);
CREATE TABLE transfer (
    tenant_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 BYTEA,
    at BIGINT NOT NULL,
    login TEXT NOT NULL,
    status TEXT NOT NULL,
    changed BIGINT NOT NULL,
    problems TEXT NOT NULL,
    members BIGINT NOT NULL,
    members_done BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE event (
    tenant_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    login TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE TABLE log_line (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    text TEXT NOT NULL
);
";
