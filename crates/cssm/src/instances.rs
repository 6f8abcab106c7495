//! Product instances: who they are, which key they have, how often they may ask.

use rumline_catalogue::Catalogue;
use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::{Row, Tx};

use crate::accounts::add_event;
use crate::head::{self, Head};
use crate::ids::{Account, InstanceId, SmartAccountId, VirtualAccountId};
use crate::schema::INSTANCE_INDEXES;
use crate::spans::Spans;
use crate::{Actor, Error, Settings, totals};
use rumline_server::next_id;

/// A product instance as ingest and trust need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub id: InstanceId,
    pub smart_account_id: SmartAccountId,
    pub virtual_account_id: VirtualAccountId,
    pub udi: Udi,
    pub identifier: String,
    pub public_key: PublicKey,
    pub trust: Option<IssuedTrust>,
    pub removed: bool,
    /// What its reports go on from.
    pub head: Head,
    /// Since when two speak as it.
    pub held_at: Option<Timestamp>,
    pub set_back_at: Option<Timestamp>,
    /// When what is missing was asked for.
    pub requested_at: Option<Timestamp>,
    /// The newest of its messages that are signed as a whole.
    pub message_millis: i64,
    /// The trust code it held, by its last report; none where it does not tell.
    pub told_trust_id: Option<i64>,
    window_started_at: Timestamp,
    window_requests: i64,
    /// What its name is searched by.
    name_key: Vec<u8>,
    /// Whether it is registered as before Smart Licensing Using Policy.
    pub is_older: bool,
}

/// The trust code a product instance was given last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuedTrust {
    pub id: i64,
    pub issued_at: Timestamp,
    /// The nonce it answers.
    pub nonce: String,
    /// The account it names.
    pub virtual_account_id: Option<VirtualAccountId>,
}

impl Instance {
    /// The window as it is, for a contact that counts against no limit.
    pub(crate) fn window(&self) -> Window {
        Window { started_at: self.window_started_at, requests: self.window_requests }
    }

    /// Its virtual account.
    pub(crate) fn account(&self) -> Account {
        (self.smart_account_id, self.virtual_account_id)
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, smart_account_id, virtual_account_id, pid, serial, identifier, public_key,
            trust_id, trust_issued_at, trust_nonce, trust_virtual_account_id, removed_at, epoch,
            epoch_began_at, epoch_last_end_at, head_position, head_present, head_report_id,
            head_sha256, held_at, set_back_at, requested_at, message_millis, told_trust_id, window_started_at,
            window_requests, name_key, (SELECT registered_at FROM older_registration
            WHERE product_instance_id = product_instance.id) FROM product_instance ",
            $rest
        )
    };
}

fn from_row(row: &Row<'_>) -> Result<Instance, Error> {
    let key = row.text(6)?;
    let at = |column| Ok::<_, Error>(row.opt_int(column)?.map(Timestamp));
    let trust = match (row.opt_int(7)?, at(8)?, row.opt_text(9)?) {
        (Some(id), Some(issued_at), Some(nonce)) => {
            Some(IssuedTrust { id, issued_at, nonce, virtual_account_id: row.opt_id(10)? })
        }
        _ => None,
    };
    Ok(Instance {
        id: row.id(0)?,
        smart_account_id: row.id(1)?,
        virtual_account_id: row.id(2)?,
        udi: Udi { pid: row.text(3)?, serial: row.text(4)? },
        identifier: row.text(5)?,
        public_key: PublicKey::from_text(&key)
            .ok_or_else(|| Error::invalid("the stored device key is damaged"))?,
        trust,
        removed: row.opt_int(11)?.is_some(),
        head: head::head_from(row, 12)?,
        held_at: at(19)?,
        set_back_at: at(20)?,
        requested_at: at(21)?,
        message_millis: row.int(22)?,
        told_trust_id: row.opt_int(23)?,
        window_started_at: Timestamp(row.int(24)?),
        window_requests: row.int(25)?,
        name_key: row.opt_bytes(26)?.unwrap_or_default(),
        is_older: row.opt_int(27)?.is_some(),
    })
}

/// The product instance with this UDI.
pub(crate) fn find(tx: &mut Tx<'_>, udi: &Udi) -> Result<Option<Instance>, Error> {
    const SQL: &str = select!("WHERE serial = $1 AND pid = $2");
    tx.row(SQL, &[(&udi.serial).into(), (&udi.pid).into()], from_row)
}

/// A product instance by its number.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: InstanceId) -> Result<Option<Instance>, Error> {
    const SQL: &str = select!("WHERE id = $1");
    tx.row(SQL, &[id.into()], from_row)
}

/// A product instance of an account, by its number.
pub(crate) fn of_account(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: InstanceId,
) -> Result<Instance, Error> {
    let instance = by_id(tx, id)?;
    instance
        .filter(|instance| instance.smart_account_id == smart_account_id && !instance.removed)
        .ok_or(Error::NotFound("product instance"))
}

/// Releases from 10.3(2)F on show their host name (C-20), also those the catalogue does not know yet; and those of before Smart
/// Licensing Using Policy (PI-MIG-011).
fn shows_hostname(version: Option<&str>) -> bool {
    let is_older = |version: &str| {
        Catalogue::nexus().release(version).is_some_and(|release| !release.has_slp())
    };
    version.is_some_and(|version| {
        is_older(version) || release_number(version).is_some_and(|number| number >= (10, 3, 2))
    })
}

/// `10.4(3)F` is 10, 4, 3.
fn release_number(version: &str) -> Option<(u32, u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let (minor, rest) = rest.split_once('(')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, minor.parse().ok()?, rest[..end].parse().ok()?))
}

/// Its name in lists.
pub(crate) fn shown_name(
    (pid, serial): (&str, &str),
    hostname: Option<&str>,
    version: Option<&str>,
) -> String {
    match hostname.filter(|_| shows_hostname(version)) {
        Some(hostname) => hostname.to_owned(),
        None => format!("UDI_PID:{pid}, UDI_SN:{serial}"),
    }
}

/// A text as it is searched for and sorted by: in small letters, and in the order of its bytes on every engine.
pub(crate) fn search_key(text: &str) -> Vec<u8> {
    text.to_lowercase().into_bytes()
}

fn name_key(udi: &Udi, about: &About) -> Vec<u8> {
    let version = about.software_version.as_deref();
    search_key(&shown_name((&udi.pid, &udi.serial), about.hostname.as_deref(), version))
}

/// Product instances that are worked on at a time.
const PIECE: i64 = 1_000;
/// Where it is noted that [`derive_once`] was here.
const DERIVED: &str = "instance_keys_derived";

/// Works out what the product instances of an older release are searched by, once.
pub(crate) fn derive_once(tx: &mut Tx<'_>) -> Result<(), Error> {
    let sql = "INSERT INTO counter (name, value) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING";
    if tx.execute(sql, &[DERIVED.into()])? == 0 {
        return Ok(());
    }
    let mut last = 0_i64;
    loop {
        let sql = "SELECT id, pid, serial, hostname, software_version FROM product_instance
            WHERE id > $1 ORDER BY id LIMIT $2";
        let piece = tx.rows(sql, &[last.into(), PIECE.into()], |row| {
            let (pid, serial) = (row.text(1)?, row.text(2)?);
            let (hostname, version) = (row.opt_text(3)?, row.opt_text(4)?);
            let name = shown_name((&pid, &serial), hostname.as_deref(), version.as_deref());
            Ok::<_, Error>((row.int(0)?, [name, serial, pid].map(|text| search_key(&text))))
        })?;
        let Some((id, _)) = piece.last() else {
            tx.batch(INSTANCE_INDEXES)?;
            return Ok(());
        };
        last = *id;
        for (id, [name, serial, pid]) in &piece {
            let sql = "UPDATE product_instance SET name_key = $1, serial_key = $2, pid_key = $3
                WHERE id = $4";
            tx.execute(sql, &[name.into(), serial.into(), pid.into(), (*id).into()])?;
        }
    }
}

/// What a product instance says about itself with a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub identifier: String,
    pub hostname: Option<String>,
    pub software_version: Option<String>,
    pub software_tag: String,
}

impl About {
    /// Cuts what is longer than any real value.
    pub(crate) fn bounded(mut self) -> Self {
        let cut = |text: &mut String| {
            *text = text.chars().filter(|c| !c.is_control()).take(256).collect();
        };
        cut(&mut self.identifier);
        cut(&mut self.software_tag);
        self.hostname.as_mut().map(cut);
        self.software_version.as_mut().map(cut);
        self
    }
}

/// Registers a product instance, or gives a known one another account and key; `known` is what [`find`] says of its
/// UDI in this transaction, removed or not.
pub(crate) fn register(
    tx: &mut Tx<'_>,
    now: Timestamp,
    known: Option<Instance>,
    account: Account,
    udi: &Udi,
    key: &PublicKey,
    about: &About,
) -> Result<Instance, Error> {
    let id = match &known {
        Some(known) => known.id,
        None => next_id(tx, "product_instance")?,
    };
    let instance =
        totals::kept(tx, now, id, |tx| write_down(tx, now, (id, known), account, udi, key, about))?;
    if let Some(text) = unknown_product(&udi.pid) {
        let text = format!("{udi}: {text}; {LOAD}");
        add_event(tx, now, account.0, &Actor::system(), &text)?;
    }
    Ok(instance)
}

/// What is said of a product id that is in no table this CSSM has (C-48): what it uses is counted by its tags, which say by
/// themselves what they are of, and nothing of it is lost.
pub(crate) fn unknown_product(pid: &str) -> Option<String> {
    let is_known = Catalogue::nexus().platform(pid).is_some();
    (!is_known).then(|| {
        format!("the product id {pid} is not in the catalogue of this CSSM; its use is counted")
    })
}

/// What to do about it.
const LOAD: &str = "a folder with its data, named with --catalogue, tells what it is";

fn write_down(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (id, known): (InstanceId, Option<Instance>),
    (smart_account_id, virtual_account_id): Account,
    udi: &Udi,
    key: &PublicKey,
    about: &About,
) -> Result<Instance, Error> {
    const SQL: &str =
        "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid, serial,
        identifier, public_key, hostname, software_version, software_tag, registered_at,
        last_contact_at, window_started_at, window_requests, name_key, serial_key, pid_key)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11, 0, $12, $13, $14)
        ON CONFLICT (serial, pid) DO UPDATE SET smart_account_id = excluded.smart_account_id,
        virtual_account_id = excluded.virtual_account_id, identifier = excluded.identifier,
        public_key = excluded.public_key, software_tag = CASE WHEN excluded.software_tag = ''
        THEN product_instance.software_tag ELSE excluded.software_tag END,
        registered_at = excluded.registered_at, last_contact_at = excluded.last_contact_at,
        removed_at = NULL";
    let key_text = key.to_text();
    let name_key = name_key(udi, about);
    let (serial_key, pid_key) = (search_key(&udi.serial), search_key(&udi.pid));
    let values = [
        id.into(),
        smart_account_id.into(),
        virtual_account_id.into(),
        (&udi.pid).into(),
        (&udi.serial).into(),
        (&about.identifier).into(),
        (&key_text).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        now.0.into(),
        (&name_key).into(),
        (&serial_key).into(),
        (&pid_key).into(),
    ];
    tx.execute(SQL, &values)?;
    let Some(known) = known else {
        return Ok(Instance {
            id,
            smart_account_id,
            virtual_account_id,
            udi: udi.clone(),
            identifier: about.identifier.clone(),
            public_key: key.clone(),
            trust: None,
            removed: false,
            head: Head::default(),
            held_at: None,
            set_back_at: None,
            requested_at: None,
            message_millis: 0,
            told_trust_id: None,
            window_started_at: now,
            window_requests: 0,
            name_key,
            is_older: false,
        });
    };
    let mut instance = Instance {
        smart_account_id,
        virtual_account_id,
        identifier: about.identifier.clone(),
        public_key: key.clone(),
        removed: false,
        ..known.clone()
    };
    if known.smart_account_id != smart_account_id || known.public_key != *key {
        // In use is what the device says from now on. Which of its seconds are counted stays known: the next owner
        // is not told of them once more.
        let sql = "UPDATE license_use SET smart_account_id = $1, count = 0
            WHERE smart_account_id = $2 AND product_instance_id = $3";
        tx.execute(sql, &[smart_account_id.into(), known.smart_account_id.into(), id.into()])?;
    }
    if known.public_key != *key {
        // Another key has another store: its reports begin anew, and it holds no trust code.
        instance = Instance {
            trust: None,
            head: Head::default(),
            held_at: None,
            message_millis: 0,
            told_trust_id: None,
            ..instance
        };
        tx.execute("DELETE FROM lineage WHERE product_instance_id = $1", &[id.into()])?;
        // So are its seconds: its clock may never have been what that of the other store was.
        let sql = "UPDATE license_use SET spans = $1, report_id = 0, is_off = $2
            WHERE smart_account_id = $3 AND product_instance_id = $4";
        let values = [Spans::NONE.into(), false.into(), smart_account_id.into(), id.into()];
        tx.execute(sql, &values)?;
        let sql = "UPDATE product_instance SET trust_id = NULL, trust_nonce = NULL, held_at = NULL,
            message_millis = 0, told_trust_id = NULL WHERE id = $1";
        tx.execute(sql, &[id.into()])?;
        note_head(tx, id, &instance.head)?;
    }
    Ok(instance)
}

/// What a product instance said at this instant of its clock, in milliseconds, was said: what is older is past.
pub(crate) fn note_said(tx: &mut Tx<'_>, id: InstanceId, millis: i64) -> Result<(), Error> {
    let sql = "UPDATE product_instance SET message_millis = $1
        WHERE id = $2 AND message_millis < $1";
    tx.execute(sql, &[millis.into(), id.into()])?;
    Ok(())
}

/// Writes down what the reports of a product instance go on from.
pub(crate) fn note_head(tx: &mut Tx<'_>, id: InstanceId, head: &Head) -> Result<(), Error> {
    let sql = "UPDATE product_instance SET epoch = $1, epoch_began_at = $2,
        epoch_last_end_at = $3, head_position = $4, head_present = $5, head_report_id = $6,
        head_sha256 = $7 WHERE id = $8";
    let values = [
        (&head.epoch).into(),
        head.began_at.into(),
        head.last_end_at.into(),
        head.position.into(),
        head.present.into(),
        head.report_id.into(),
        (&head.sha256).into(),
        id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// Gives a product instance another virtual account of the same smart account.
pub(crate) fn move_within(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &mut Instance,
    virtual_account_id: VirtualAccountId,
) -> Result<(), Error> {
    totals::kept(tx, now, instance.id, |tx| {
        let sql = "UPDATE product_instance SET virtual_account_id = $1 WHERE id = $2";
        tx.execute(sql, &[virtual_account_id.into(), instance.id.into()])?;
        Ok(())
    })?;
    instance.virtual_account_id = virtual_account_id;
    Ok(())
}

/// The hour's window of requests after one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    started_at: Timestamp,
    requests: i64,
}

/// Counts a request against the hour's limit.
pub(crate) fn next_window(
    now: Timestamp,
    instance: &Instance,
    settings: &Settings,
) -> Result<Window, Error> {
    let age = now.since(instance.window_started_at);
    let window = if (0..Timestamp::HOUR).contains(&age) {
        Window { started_at: instance.window_started_at, requests: instance.window_requests + 1 }
    } else {
        Window { started_at: now, requests: 1 }
    };
    if settings.requests_per_hour_max > 0 && window.requests > settings.requests_per_hour_max {
        let retry_after_seconds = Timestamp::HOUR - now.since(window.started_at);
        return Err(Error::TooManyRequests { retry_after_seconds });
    }
    Ok(window)
}

/// Notes a contact without a report.
pub(crate) fn note_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    window: Window,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE product_instance SET window_started_at = $1, window_requests = $2,
        last_contact_at = $3, message_millis = $4 WHERE id = $5";
    let values = [
        window.started_at.0.into(),
        window.requests.into(),
        now.0.into(),
        instance.message_millis.into(),
        instance.id.into(),
    ];
    tx.execute(SQL, &values)?;
    Ok(())
}

/// Notes a contact that brought a report.
pub(crate) fn note_report(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    window: Window,
    about: &About,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE product_instance SET window_started_at = $1, window_requests = $2,
        last_contact_at = $3, last_report_at = $3, identifier = $4, hostname = $5,
        software_version = $6, software_tag = $7, epoch = $8, epoch_began_at = $9,
        epoch_last_end_at = $10, head_position = $11, head_present = $12, head_report_id = $13,
        head_sha256 = $14, told_trust_id = $15 WHERE id = $16";
    let head = &instance.head;
    let values = [
        window.started_at.0.into(),
        window.requests.into(),
        now.0.into(),
        (&about.identifier).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        (&head.epoch).into(),
        head.began_at.into(),
        head.last_end_at.into(),
        head.position.into(),
        head.present.into(),
        head.report_id.into(),
        (&head.sha256).into(),
        instance.told_trust_id.into(),
        instance.id.into(),
    ];
    tx.execute(SQL, &values)?;
    // Nearly always it is called what it was.
    let name_key = name_key(&instance.udi, about);
    if name_key != instance.name_key {
        let sql = "UPDATE product_instance SET name_key = $1 WHERE id = $2";
        tx.execute(sql, &[(&name_key).into(), instance.id.into()])?;
    }
    Ok(())
}

/// Notes what a product instance says of itself, without a report.
pub(crate) fn note_about(tx: &mut Tx<'_>, instance: &Instance, about: &About) -> Result<(), Error> {
    let name_key = name_key(&instance.udi, about);
    let sql = "UPDATE product_instance SET hostname = $1, software_version = $2,
        software_tag = $3, name_key = $4 WHERE id = $5";
    let values = [
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        (&name_key).into(),
        instance.id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// The virtual account of one of them.
pub(crate) fn virtual_account_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: i64,
) -> Result<Option<VirtualAccountId>, Error> {
    let sql = "SELECT virtual_account_id FROM product_instance WHERE smart_account_id = $1
        AND id = $2 AND removed_at IS NULL";
    Ok(tx.row(sql, &[smart_account_id.into(), id.into()], |row| row.id(0))?)
}
