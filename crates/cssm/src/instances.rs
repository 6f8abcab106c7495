//! Product instances: who they are, which key they have, how often they may ask.

use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::{Row, Tx};

use crate::answer::Standing;
use crate::policies::policy_of;
use crate::{Error, Settings};
use rumline_server::next_id;

/// A product instance as ingest and trust need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub id: i64,
    pub smart_account_id: i64,
    pub virtual_account_id: i64,
    pub udi: Udi,
    pub public_key: PublicKey,
    pub trust_id: Option<i64>,
    pub trust_nonce: Option<String>,
    pub removed: bool,
    window_started_at: Timestamp,
    window_requests: i64,
}

impl Instance {
    /// The window as it is, for a contact that counts against no limit.
    pub(crate) fn window(&self) -> Window {
        Window { started_at: self.window_started_at, requests: self.window_requests }
    }
}

fn from_row(row: &Row<'_>) -> Result<Instance, Error> {
    let key = row.text(5)?;
    Ok(Instance {
        id: row.int(0)?,
        smart_account_id: row.int(1)?,
        virtual_account_id: row.int(2)?,
        udi: Udi { pid: row.text(3)?, serial: row.text(4)? },
        public_key: PublicKey::from_text(&key)
            .ok_or_else(|| Error::invalid("the stored device key is damaged"))?,
        trust_id: row.opt_int(6)?,
        trust_nonce: row.opt_text(7)?,
        removed: row.opt_int(8)?.is_some(),
        window_started_at: Timestamp(row.int(9)?),
        window_requests: row.int(10)?,
    })
}

const COLUMNS: &str = "id, smart_account_id, virtual_account_id, pid, serial, public_key, trust_id, \
    trust_nonce, removed_at, window_started_at, window_requests";

/// The product instance with this UDI.
pub(crate) fn find(tx: &mut Tx<'_>, udi: &Udi) -> Result<Option<Instance>, Error> {
    const SQL: &str = "SELECT id, smart_account_id, virtual_account_id, pid, serial, public_key,
        trust_id, trust_nonce, removed_at, window_started_at, window_requests
        FROM product_instance WHERE serial = $1 AND pid = $2";
    tx.row(SQL, &[(&udi.serial).into(), (&udi.pid).into()], from_row)
}

/// A product instance by its number.
pub(crate) fn by_id(tx: &mut Tx<'_>, id: i64) -> Result<Option<Instance>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM product_instance WHERE id = $1");
    tx.row(&sql, &[id.into()], from_row)
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
    (smart_account_id, virtual_account_id): (i64, i64),
    udi: &Udi,
    key: &PublicKey,
    about: &About,
) -> Result<Instance, Error> {
    const SQL: &str =
        "INSERT INTO product_instance (id, smart_account_id, virtual_account_id, pid, serial,
        identifier, public_key, hostname, software_version, software_tag, registered_at,
        last_contact_at, window_started_at, window_requests)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11, 0)
        ON CONFLICT (serial, pid) DO UPDATE SET smart_account_id = excluded.smart_account_id,
        virtual_account_id = excluded.virtual_account_id, identifier = excluded.identifier,
        public_key = excluded.public_key, software_tag = excluded.software_tag,
        registered_at = excluded.registered_at, last_contact_at = excluded.last_contact_at,
        removed_at = NULL, trust_id = NULL, trust_nonce = NULL";
    let id = match &known {
        Some(known) => known.id,
        None => next_id(tx, "product_instance")?,
    };
    let key_text = key.to_text();
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
    ];
    tx.execute(SQL, &values)?;
    if let Some(known) = &known
        && (known.smart_account_id != smart_account_id || known.public_key != *key)
    {
        // In use is what the device says from now on: in its new account, with the numbers of its new store.
        let sql = "DELETE FROM license_use WHERE smart_account_id = $1
            AND product_instance_id = $2";
        tx.execute(sql, &[known.smart_account_id.into(), known.id.into()])?;
    }
    let (window_started_at, window_requests) =
        known.map_or((now, 0), |known| (known.window_started_at, known.window_requests));
    Ok(Instance {
        id,
        smart_account_id,
        virtual_account_id,
        udi: udi.clone(),
        public_key: key.clone(),
        trust_id: None,
        trust_nonce: None,
        removed: false,
        window_started_at,
        window_requests,
    })
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
        last_contact_at = $3 WHERE id = $4";
    let values =
        [window.started_at.0.into(), window.requests.into(), now.0.into(), instance.id.into()];
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
        software_version = $6, software_tag = $7 WHERE id = $8";
    let values = [
        window.started_at.0.into(),
        window.requests.into(),
        now.0.into(),
        (&about.identifier).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        instance.id.into(),
    ];
    tx.execute(SQL, &values)?;
    Ok(())
}

/// What answers to this product instance say about its account.
pub(crate) fn standing(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    virtual_account_id: i64,
) -> Result<Standing, Error> {
    const SQL: &str = "SELECT smart_account.name, smart_account.domain, virtual_account.name
        FROM smart_account JOIN virtual_account
        ON virtual_account.smart_account_id = smart_account.id
        WHERE smart_account.id = $1 AND virtual_account.id = $2";
    let ids = [smart_account_id.into(), virtual_account_id.into()];
    let names =
        tx.row(SQL, &ids, |row| Ok::<_, Error>((row.text(0)?, row.text(1)?, row.text(2)?)))?;
    let (smart_account, smart_account_domain, virtual_account) =
        names.ok_or(Error::NotFound("virtual account"))?;
    Ok(Standing {
        smart_account_id,
        smart_account,
        smart_account_domain,
        virtual_account_id,
        virtual_account,
        policy: policy_of(tx, smart_account_id, virtual_account_id)?,
    })
}
