//! The tables. Every row belongs to a smart account, and its key begins with it wherever rows are many; but a report is
//! one of its product instance, whichever account that belonged to then, so that it counts once.

use rumline_store::Migration;

/// All migrations, oldest first. A released one is never changed.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: V1 },
    Migration { version: 2, sql: V2 },
    Migration { version: 3, sql: V3 },
    Migration { version: 4, sql: rumline_server::AUDIT_TABLE },
    Migration { version: 5, sql: rumline_server::IDENTITY_TABLE },
    Migration { version: 6, sql: "ALTER TABLE poll ADD COLUMN fetched_at BIGINT" },
    Migration { version: 7, sql: rumline_server::GRANTS_TABLE },
    Migration { version: 8, sql: rumline_server::AUDIT_CHANGES },
    Migration { version: 9, sql: V9 },
    Migration { version: 10, sql: V10 },
    Migration { version: 11, sql: V11 },
    Migration { version: 12, sql: V12 },
    Migration { version: 13, sql: rumline_server::REFUSED_LOGINS_INDEX },
    Migration { version: 14, sql: V14 },
    Migration { version: 15, sql: V15 },
    Migration { version: 16, sql: V16 },
    Migration { version: 17, sql: V17 },
    Migration { version: 18, sql: V18 },
    Migration { version: 19, sql: V19 },
    Migration { version: 20, sql: rumline_server::SECOND_FACTOR_TABLES },
    Migration { version: 21, sql: rumline_server::KEPT_ANSWERS_TABLE },
    Migration { version: 22, sql: rumline_server::WEBHOOK_TABLES },
    Migration { version: 23, sql: rumline_server::AUDIT_API_TOKEN },
    Migration { version: 24, sql: rumline_server::SECOND_FACTOR_BEGUN_BY },
    Migration { version: 25, sql: rumline_server::DELIVERY_NUMBERS },
    Migration { version: 26, sql: V26 },
    Migration { version: 27, sql: V27 },
    Migration { version: 28, sql: V28 },
    Migration { version: 29, sql: rumline_server::PROVIDED_TABLE },
    Migration { version: 30, sql: rumline_server::SECRET_ENDS },
    Migration { version: 31, sql: rumline_server::WORK_TABLE },
    Migration { version: 32, sql: rumline_server::KEPT_FILE_TABLES },
];

/// The two supervisors of a chassis have one key: a registration of the one is found by it for the other. And what became of the licence
/// files of a product instance is found by its number.
const V28: &str = "
ALTER TABLE older_registration ADD COLUMN public_key TEXT NOT NULL DEFAULT '';
UPDATE older_registration SET public_key = COALESCE((SELECT product_instance.public_key
    FROM product_instance WHERE product_instance.id = older_registration.product_instance_id), '');
CREATE INDEX older_registration_key ON older_registration (public_key);
CREATE INDEX conversion_instance ON conversion (product_instance_id, at);
";

/// Licences of licence files that were converted.
const V27: &str = "
CREATE TABLE conversion (
    file_id TEXT NOT NULL,
    line_id BIGINT NOT NULL,
    product_instance_id BIGINT NOT NULL,
    license TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    pak TEXT NOT NULL,
    at BIGINT NOT NULL,
    refusal TEXT,
    PRIMARY KEY (file_id, line_id, product_instance_id)
);
";

/// Product instances that are registered as before Smart Licensing Using Policy.
const V26: &str = "
CREATE TABLE older_registration (
    product_instance_id BIGINT NOT NULL,
    nonce TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    authorized_at BIGINT,
    trusted_at BIGINT,
    PRIMARY KEY (product_instance_id)
);
";

/// What a virtual account is for, in the words of whoever made it.
const V19: &str = "
ALTER TABLE virtual_account ADD COLUMN description TEXT NOT NULL DEFAULT '';
";

/// Use over time is kept by licence, as it is told; `usage.rs` adds it up anew.
const V18: &str = "
ALTER TABLE use_day RENAME COLUMN tag TO license;
";

/// Which supervisors are of one switch: the active one reports for all.
const V17: &str = "
ALTER TABLE product_instance ADD COLUMN ha_set BIGINT;
UPDATE product_instance SET ha_set = pair.first_id FROM (SELECT smart_account_id, pid, public_key,
    MIN(id) AS first_id FROM product_instance WHERE removed_at IS NULL
    GROUP BY smart_account_id, pid, public_key HAVING COUNT(*) = 2) AS pair
    WHERE product_instance.smart_account_id = pair.smart_account_id
    AND product_instance.pid = pair.pid AND product_instance.public_key = pair.public_key;
CREATE INDEX product_instance_set ON product_instance (ha_set) WHERE ha_set IS NOT NULL;
";

/// What is done to many product instances, piece by piece.
const V16: &str = "
CREATE TABLE job (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    search TEXT NOT NULL,
    sort_by TEXT,
    virtual_account_id BIGINT,
    into_virtual_account_id BIGINT,
    state TEXT NOT NULL,
    total BIGINT NOT NULL,
    total_is_exact BIGINT NOT NULL,
    done BIGINT NOT NULL DEFAULT 0,
    next TEXT NOT NULL DEFAULT '',
    newest_id BIGINT NOT NULL,
    problem TEXT NOT NULL DEFAULT '',
    asked_at BIGINT NOT NULL,
    asked_by TEXT NOT NULL,
    address TEXT,
    reason TEXT,
    ended_at BIGINT,
    PRIMARY KEY (smart_account_id, id)
);
CREATE INDEX job_running ON job (smart_account_id, id) WHERE state = 'running';
";

/// Policies of product instances that use a licence.
const V15: &str = "
CREATE TABLE tag_policy (
    smart_account_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    body TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    lifetime_days BIGINT,
    PRIMARY KEY (smart_account_id, tag)
);
";

/// Alerts by e-mail: who wants to be told what, what the messages look like, and those that wait to be sent.
const V14: &str = "
CREATE TABLE mail_wish (
    login TEXT NOT NULL PRIMARY KEY,
    person_created_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    kinds TEXT NOT NULL,
    pace TEXT NOT NULL,
    told_alert_id BIGINT NOT NULL,
    told_at BIGINT NOT NULL
);
CREATE TABLE mail_template (
    id BIGINT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);
CREATE TABLE mail (
    id BIGINT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    accounts TEXT NOT NULL,
    address TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL,
    problem TEXT NOT NULL DEFAULT '',
    sent_at BIGINT,
    given_up_at BIGINT
);
CREATE INDEX mail_waiting ON mail (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX mail_login ON mail (login, id);
CREATE INDEX mail_made ON mail (made_at);
";

/// Lists are in the order of an index. Product instances are found by name, serial number and product id: what is compared are bytes, whatever the engine thinks
/// of letters. Of those that are here already `instances.rs` works it out.
const V12: &str = "
ALTER TABLE product_instance ADD COLUMN name_key BYTEA;
ALTER TABLE product_instance ADD COLUMN serial_key BYTEA;
ALTER TABLE product_instance ADD COLUMN pid_key BYTEA;
CREATE INDEX alert_of_now ON alert (smart_account_id, id) WHERE cleared_at IS NULL;
CREATE INDEX alert_of_before ON alert (smart_account_id, id) WHERE cleared_at IS NOT NULL;
CREATE INDEX product_instance_account ON product_instance (smart_account_id, id)
    WHERE removed_at IS NULL;
";

/// Use over time (of what has left a smart account since it is not known in which virtual account it was: the first one is
/// taken): what each report counted, of which virtual account, and by how much the use of a day is more than that
/// of the day before. Of reports that are here already `usage.rs` works it out.
const V11: &str = "
ALTER TABLE rum_report ADD COLUMN virtual_account_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rum_report ADD COLUMN counted TEXT;
ALTER TABLE rum_report ADD COLUMN counted_from BIGINT;
ALTER TABLE rum_report ADD COLUMN counted_to BIGINT;
ALTER TABLE rum_report ADD COLUMN span_class BIGINT NOT NULL DEFAULT 0;
UPDATE rum_report SET virtual_account_id = COALESCE((SELECT product_instance.virtual_account_id
    FROM product_instance WHERE product_instance.id = rum_report.product_instance_id
    AND product_instance.smart_account_id = rum_report.smart_account_id),
    (SELECT MIN(virtual_account.id) FROM virtual_account
    WHERE virtual_account.smart_account_id = rum_report.smart_account_id), 0);
CREATE TABLE use_day (
    smart_account_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    day BIGINT NOT NULL,
    change BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, virtual_account_id, tag, day)
-- by key
);
";

/// What `usage.rs` ends with: an index over rows that are there is made much faster than row by row.
pub(crate) const REPORT_INDEXES: &str = "
CREATE INDEX rum_report_part ON rum_report (smart_account_id, virtual_account_id, tag, span_class,
    counted_to, product_instance_id, report_id) WHERE counted_to IS NOT NULL;
";

/// What `instances.rs` ends with.
pub(crate) const INSTANCE_INDEXES: &str = "
CREATE INDEX product_instance_name ON product_instance (smart_account_id, virtual_account_id,
    name_key, id) WHERE removed_at IS NULL;
CREATE INDEX product_instance_serial ON product_instance (smart_account_id, virtual_account_id,
    serial_key, id) WHERE removed_at IS NULL;
CREATE INDEX product_instance_pid ON product_instance (smart_account_id, virtual_account_id,
    pid_key, id) WHERE removed_at IS NULL;
";

/// What is in use, and how many product instances there are, is kept and not counted; a gap is found by an index.
const V10: &str = "
ALTER TABLE license_use ADD COLUMN virtual_account_id BIGINT NOT NULL DEFAULT 0;
UPDATE license_use SET virtual_account_id = COALESCE((SELECT product_instance.virtual_account_id
    FROM product_instance WHERE product_instance.id = license_use.product_instance_id), 0);
CREATE INDEX license_use_part ON license_use (smart_account_id, virtual_account_id, tag,
    product_instance_id) WHERE count > 0;
CREATE INDEX product_instance_gaps ON product_instance (smart_account_id, id)
    WHERE head_position > head_present AND removed_at IS NULL;
CREATE TABLE use_total (
    smart_account_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, virtual_account_id, tag)
);
INSERT INTO use_total (smart_account_id, virtual_account_id, tag, count)
    SELECT smart_account_id, virtual_account_id, tag, CAST(SUM(count) AS BIGINT) FROM license_use
    GROUP BY smart_account_id, virtual_account_id, tag;
CREATE TABLE instance_total (
    smart_account_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, virtual_account_id)
);
INSERT INTO instance_total (smart_account_id, virtual_account_id, count)
    SELECT smart_account_id, virtual_account_id, COUNT(*) FROM product_instance
    WHERE removed_at IS NULL GROUP BY smart_account_id, virtual_account_id;
";

/// Purchases become a book: what each virtual account holds of one follows from entries; accounts may be closed.
const V9: &str = "
CREATE INDEX product_instance_part ON product_instance (smart_account_id, virtual_account_id, id);
CREATE INDEX usage_file_part ON usage_file (smart_account_id, virtual_account_id, id);
ALTER TABLE alert ADD COLUMN acknowledged_at BIGINT;
ALTER TABLE alert ADD COLUMN acknowledged_by TEXT;
CREATE INDEX alert_open ON alert (smart_account_id, kind, subject) WHERE cleared_at IS NULL;
ALTER TABLE smart_account ADD COLUMN closed_at BIGINT;
ALTER TABLE virtual_account ADD COLUMN closed_at BIGINT;
ALTER TABLE purchase ADD COLUMN order_number TEXT NOT NULL DEFAULT '';
ALTER TABLE purchase ADD COLUMN recorded_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE purchase ADD COLUMN visible_at BIGINT NOT NULL DEFAULT 0;
CREATE TABLE book_entry (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    purchase_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    login TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (smart_account_id, id)
);
CREATE INDEX book_entry_purchase ON book_entry (smart_account_id, purchase_id, id);
CREATE TABLE holding (
    smart_account_id BIGINT NOT NULL,
    purchase_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, purchase_id, virtual_account_id)
);
CREATE INDEX holding_part ON holding (smart_account_id, virtual_account_id, purchase_id);
INSERT INTO book_entry (smart_account_id, id, purchase_id, virtual_account_id, quantity, kind, at,
    login, reason)
    SELECT smart_account_id, id, id, virtual_account_id, quantity, 'bought', starts_at, '', ''
    FROM purchase;
INSERT INTO counter (name, value)
    SELECT 'book_entry', value FROM counter WHERE name = 'purchase';
INSERT INTO holding (smart_account_id, purchase_id, virtual_account_id, quantity)
    SELECT smart_account_id, id, virtual_account_id, quantity FROM purchase;
ALTER TABLE purchase DROP COLUMN virtual_account_id;
ALTER TABLE purchase DROP COLUMN quantity;
";

const V1: &str = "
CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
CREATE TABLE smart_account (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE virtual_account (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, id),
    UNIQUE (smart_account_id, name)
);
CREATE TABLE person (
    login TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    smart_account_id BIGINT,
    created_at BIGINT NOT NULL
);
CREATE TABLE api_token (
    hash BYTEA NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE TABLE registration_token (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    value TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    uses_max BIGINT,
    uses BIGINT NOT NULL,
    revoked_at BIGINT,
    PRIMARY KEY (smart_account_id, id)
);
CREATE TABLE policy (
    smart_account_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    body TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, virtual_account_id)
);
CREATE TABLE product_instance (
    id BIGINT NOT NULL PRIMARY KEY,
    smart_account_id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    pid TEXT NOT NULL,
    serial TEXT NOT NULL,
    identifier TEXT NOT NULL,
    public_key TEXT NOT NULL,
    hostname TEXT,
    software_version TEXT,
    software_tag TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    last_contact_at BIGINT NOT NULL,
    last_report_at BIGINT,
    last_ack_at BIGINT,
    trust_id BIGINT,
    trust_issued_at BIGINT,
    trust_nonce TEXT,
    removed_at BIGINT,
    window_started_at BIGINT NOT NULL,
    window_requests BIGINT NOT NULL,
    UNIQUE (serial, pid)
);
CREATE TABLE rum_report (
    smart_account_id BIGINT NOT NULL,
    product_instance_id BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    end_at BIGINT NOT NULL,
    last_count BIGINT NOT NULL,
    count_seconds BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    previous_id BIGINT,
    previous_sha256 TEXT,
    received_at BIGINT NOT NULL,
    payload TEXT NOT NULL,
    signing_key TEXT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (product_instance_id, report_id)
);
CREATE TABLE license_use (
    smart_account_id BIGINT NOT NULL,
    product_instance_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    count BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, product_instance_id, tag)
);
CREATE TABLE poll (
    id TEXT NOT NULL PRIMARY KEY,
    product_instance_id BIGINT NOT NULL,
    ready_at BIGINT NOT NULL,
    results TEXT NOT NULL
);
CREATE TABLE purchase (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    license TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    kind TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT,
    PRIMARY KEY (smart_account_id, id)
);
CREATE TABLE usage_file (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    uploaded_by TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT NOT NULL,
    product_instances BIGINT NOT NULL,
    reports_new BIGINT NOT NULL,
    reports_known BIGINT NOT NULL,
    acknowledgement TEXT,
    PRIMARY KEY (smart_account_id, id)
);
CREATE TABLE account_event (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    login TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (smart_account_id, id)
);
";

/// People are bound to a scope, here a smart account; collectors; bundles, which are worked on in pieces.
const V2: &str = "
ALTER TABLE person RENAME COLUMN smart_account_id TO scope_id;
CREATE TABLE collector (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    registered_at BIGINT NOT NULL,
    registered_by TEXT NOT NULL,
    last_contact_at BIGINT,
    removed_at BIGINT,
    PRIMARY KEY (smart_account_id, id),
    UNIQUE (public_key, smart_account_id, virtual_account_id)
);
CREATE TABLE usage_answer (
    usage_file_id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (usage_file_id, place)
);
ALTER TABLE usage_file ADD COLUMN members BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_file ADD COLUMN members_done BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage_file ADD COLUMN bundle_part TEXT;
ALTER TABLE usage_file ADD COLUMN bundle_sha256 BYTEA;
ALTER TABLE usage_file ADD COLUMN problems TEXT NOT NULL DEFAULT '';
ALTER TABLE rum_report ADD COLUMN hop TEXT;
";

/// A ledger that adds up: which seconds are counted, what each product instance's reports go on from, who claims what,
/// and what somebody has to look at.
const V3: &str = "
ALTER TABLE product_instance ADD COLUMN trust_virtual_account_id BIGINT;
UPDATE product_instance SET trust_virtual_account_id = virtual_account_id WHERE trust_id IS NOT NULL;
ALTER TABLE product_instance ADD COLUMN told_trust_id BIGINT;
ALTER TABLE product_instance ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
ALTER TABLE product_instance ADD COLUMN epoch_began_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_instance ADD COLUMN epoch_last_end_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_instance ADD COLUMN head_position BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_instance ADD COLUMN head_present BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_instance ADD COLUMN head_report_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE product_instance ADD COLUMN head_sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE product_instance ADD COLUMN held_at BIGINT;
ALTER TABLE product_instance ADD COLUMN set_back_at BIGINT;
ALTER TABLE product_instance ADD COLUMN requested_at BIGINT;
ALTER TABLE product_instance ADD COLUMN message_millis BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rum_report ADD COLUMN epoch TEXT NOT NULL DEFAULT '';
ALTER TABLE rum_report ADD COLUMN position BIGINT;
ALTER TABLE rum_report ADD COLUMN overlap_seconds BIGINT NOT NULL DEFAULT 0;
ALTER TABLE license_use ADD COLUMN spans TEXT NOT NULL DEFAULT '';
ALTER TABLE license_use ADD COLUMN is_off BIGINT NOT NULL DEFAULT 0;
ALTER TABLE license_use ADD COLUMN overlap_seconds BIGINT NOT NULL DEFAULT 0;
ALTER TABLE policy ADD COLUMN lifetime_days BIGINT;
CREATE TABLE lineage (
    product_instance_id BIGINT NOT NULL,
    epoch TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    last_end_at BIGINT NOT NULL,
    position BIGINT NOT NULL,
    present BIGINT NOT NULL,
    report_id BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (product_instance_id, epoch)
);
CREATE TABLE claim (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    pid TEXT NOT NULL,
    serial TEXT NOT NULL,
    public_key TEXT NOT NULL,
    through TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    reports BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, id),
    UNIQUE (smart_account_id, virtual_account_id, serial, pid, public_key)
);
CREATE TABLE alert (
    smart_account_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    cleared_at BIGINT,
    PRIMARY KEY (smart_account_id, id)
);
CREATE TABLE set_aside (
    smart_account_id BIGINT NOT NULL,
    usage_file_id BIGINT NOT NULL,
    place BIGINT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    pid TEXT NOT NULL,
    serial TEXT NOT NULL,
    virtual_account_id BIGINT NOT NULL,
    PRIMARY KEY (smart_account_id, usage_file_id, place)
);
ALTER TABLE usage_file ADD COLUMN set_aside BIGINT NOT NULL DEFAULT 0;
";
