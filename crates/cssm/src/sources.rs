//! What a number opens to: the product instances that a licence is in use on, the reports that its use over time comes
//! from, and each of these as it was signed (CSSM-006).

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    DocumentWriter, PublicKey, ReportSignature, RumReport, SignedReport, Udi, base64,
};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::smart_account;
use crate::counted::{CLASS_MAX, Counted, class_seconds};
use crate::ids::{Account, InstanceId};
use crate::reports::Period;
use crate::{Cssm, Error};

/// A signed report, as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedReportView {
    /// The product instance.
    pub product_instance_id: InstanceId,
    /// Its UDI.
    pub udi: String,
    /// The number of the report.
    pub report_id: i64,
    /// When it came.
    pub received_at: i64,
    /// The collector it came by, if it did.
    pub hop: Option<String>,
    /// SHA-256 of what is signed, base64: the report after it names it.
    pub sha256: String,
    /// Licence seconds of it that count.
    pub count_seconds: i64,
    /// Licence seconds that were counted before.
    pub overlap_seconds: i64,
    /// The key of the product instance, in PEM.
    pub public_key: String,
    /// Whether its signature was made with that key, looked at anew; one of before the product instance got another key was not.
    pub verifies: bool,
    /// The report with its signature, as a file of the product instance holds it: `rumline verify` reads it.
    pub document: String,
}

/// A product instance that a licence is in use on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UseOfInstance {
    /// Its number.
    pub product_instance_id: InstanceId,
    /// Its UDI.
    pub udi: String,
    /// Entitlement tag.
    pub tag: String,
    /// How many.
    pub count: i64,
    /// As of when.
    pub as_of: i64,
    /// The report that says so.
    pub report_id: i64,
    /// Where the list goes on after it.
    pub next: String,
}

/// A signed report that a number of use over time comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The product instance.
    pub product_instance_id: InstanceId,
    /// Its UDI.
    pub udi: String,
    /// The number of its report.
    pub report_id: i64,
    /// Licence seconds that it adds to the number.
    pub license_seconds: i64,
    /// When it came.
    pub received_at: i64,
    /// Where the list goes on after it.
    pub next: String,
}

/// Whether there is such a virtual account, or was: what was reported in one that is closed stays told.
fn check_part(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
) -> Result<(), Error> {
    smart_account(tx, smart_account_id)?;
    let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND id = $2";
    let ids = [smart_account_id.into(), virtual_account_id.into()];
    tx.row(sql, &ids, |row| row.int(0))?.map(drop).ok_or(Error::NotFound("virtual account"))
}

fn check_license(license: &str) -> Result<(), Error> {
    if license.is_empty() {
        return Err(Error::parameter("license", "say of which license: license=NAME"));
    }
    Ok(())
}

fn no_place() -> Error {
    Error::parameter("next", "`next` is what the last row says")
}

/// Where a list of sources goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    tag: String,
    class: i64,
    counted_to: i64,
    product_instance_id: i64,
    report_id: i64,
}

impl Place {
    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '~');
        let mut number = || parts.next()?.parse().ok();
        let (class, counted_to) = (number()?, number()?);
        let (product_instance_id, report_id) = (number()?, number()?);
        let tag = parts.next()?.to_owned();
        Some(Self { tag, class, counted_to, product_instance_id, report_id })
    }

    fn to_text(&self) -> String {
        let Self { tag, class, counted_to, product_instance_id, report_id } = self;
        format!("{class}~{counted_to}~{product_instance_id}~{report_id}~{tag}")
    }
}

/// The tags of a licence that were reported in a virtual account, from one on, in their order.
fn tags_reported(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    license: &str,
    first: &str,
) -> Result<Vec<String>, Error> {
    // From one to the next by the index, as there are few of them and many reports.
    const SQL: &str = "SELECT tag FROM rum_report WHERE smart_account_id = $1
        AND virtual_account_id = $2 AND counted_to IS NOT NULL AND tag ";
    let (at_least, after) =
        (format!("{SQL}>= $3 ORDER BY tag LIMIT 1"), format!("{SQL}> $3 ORDER BY tag LIMIT 1"));
    let mut next = |sql: &str, from: &str| {
        let values = [smart_account_id.into(), virtual_account_id.into(), from.into()];
        tx.row(sql, &values, |row| row.text(0))
    };
    let mut tags = Vec::new();
    let mut tag = next(&at_least, first)?;
    while let Some(found) = tag {
        tag = next(&after, &found)?;
        if Catalogue::nexus().license_of(&found) == license {
            tags.push(found);
        }
    }
    Ok(tags)
}

/// The reports that the use of a licence from one second to before another comes from, those of the shortest spans first.
fn sources(
    tx: &mut Tx<'_>,
    account: Account,
    license: &str,
    (from, to): (i64, i64),
    after: &str,
    limit: i64,
) -> Result<Vec<Source>, Error> {
    let mut after = match after {
        "" => Place { class: -1, ..Place::default() },
        text => Place::from_text(text).ok_or_else(no_place)?,
    };
    let mut sources = Vec::new();
    for tag in tags_reported(tx, account, license, &after.tag)? {
        for class in 0..=CLASS_MAX {
            if tag == after.tag && class < after.class {
                continue;
            }
            if tag != after.tag || class != after.class {
                after = Place { tag: tag.clone(), class, counted_to: from, ..Place::default() };
                (after.product_instance_id, after.report_id) = (i64::MAX, i64::MAX);
            }
            loop {
                let left = limit - i64::try_from(sources.len()).unwrap_or(limit);
                if left <= 0 {
                    return Ok(sources);
                }
                let found = sources_of_class(tx, account, &after, (from, to), left)?;
                let Some((place, _)) = found.last() else { break };
                after = place.clone();
                // What a report counted may have a hole just there.
                let found = found.into_iter().map(|(_, source)| source);
                sources.extend(found.filter(|source| source.license_seconds > 0));
            }
        }
    }
    Ok(sources)
}

fn sources_of_class(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    after: &Place,
    (from, to): (i64, i64),
    limit: i64,
) -> Result<Vec<(Place, Source)>, Error> {
    let sql = "SELECT rum_report.product_instance_id, rum_report.report_id, rum_report.counted_to,
        rum_report.payload, rum_report.counted, rum_report.received_at, product_instance.pid,
        product_instance.serial FROM rum_report JOIN product_instance
        ON product_instance.id = rum_report.product_instance_id
        WHERE rum_report.smart_account_id = $1 AND rum_report.virtual_account_id = $2
        AND rum_report.tag = $3 AND rum_report.span_class = $4
        AND rum_report.counted_to IS NOT NULL AND (rum_report.counted_to,
        rum_report.product_instance_id, rum_report.report_id) > ($5, $6, $7)
        AND rum_report.counted_to <= $8 AND rum_report.counted_from < $9
        ORDER BY rum_report.counted_to, rum_report.product_instance_id, rum_report.report_id
        LIMIT $10";
    let values = [
        smart_account_id.into(),
        virtual_account_id.into(),
        (&after.tag).into(),
        after.class.into(),
        after.counted_to.into(),
        after.product_instance_id.into(),
        after.report_id.into(),
        // Whatever ends later than this began after the days.
        to.saturating_add(class_seconds(after.class)).into(),
        to.into(),
        limit.into(),
    ];
    tx.rows(sql, &values, |row| {
        let place = Place {
            counted_to: row.int(2)?,
            product_instance_id: row.int(0)?,
            report_id: row.int(1)?,
            ..after.clone()
        };
        let report = RumReport::read(&row.text(3)?).map_err(|wrong| {
            Error::Invalid(format!("a report that was kept cannot be read: {wrong}"))
        })?;
        let counted = Counted::read(&report, row.int(5)?, row.opt_text(4)?.as_deref());
        let (pid, serial) = (row.text(6)?, row.text(7)?);
        let source = Source {
            product_instance_id: row.id(0)?,
            udi: format!("PID:{pid},SN:{serial}"),
            report_id: row.int(1)?,
            license_seconds: counted.seconds_between(from, to),
            received_at: row.int(5)?,
            next: place.to_text(),
        };
        Ok((place, source))
    })
}

/// The product instances that a licence is in use on.
fn uses_now(
    tx: &mut Tx<'_>,
    account: Account,
    license: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<UseOfInstance>, Error> {
    let (mut after_id, after_tag) = match after.split_once('~') {
        Some((id, tag)) => (id.parse().map_err(|_| no_place())?, tag),
        None if after.is_empty() => (0, ""),
        None => return Err(no_place()),
    };
    let (sa, va) = account;
    let sql = "SELECT tag FROM use_total WHERE smart_account_id = $1 AND virtual_account_id = $2
        AND count <> 0 AND tag >= $3 ORDER BY tag";
    let mut tags = tx.rows(sql, &[sa.into(), va.into(), after_tag.into()], |row| row.text(0))?;
    tags.retain(|tag| Catalogue::nexus().license_of(tag) == license);
    let mut uses = Vec::new();
    for tag in tags {
        if tag != after_tag {
            after_id = 0;
        }
        let left = limit - i64::try_from(uses.len()).unwrap_or(limit);
        if left <= 0 {
            break;
        }
        let sql = "SELECT license_use.product_instance_id, license_use.count, license_use.as_of,
            license_use.report_id, product_instance.pid, product_instance.serial
            FROM license_use JOIN product_instance
            ON product_instance.id = license_use.product_instance_id
            WHERE license_use.smart_account_id = $1 AND license_use.virtual_account_id = $2
            AND license_use.tag = $3 AND license_use.count > 0
            AND license_use.product_instance_id > $4
            ORDER BY license_use.product_instance_id LIMIT $5";
        let values = [sa.into(), va.into(), (&tag).into(), after_id.into(), left.into()];
        uses.extend(tx.rows(sql, &values, |row| {
            let (id, pid, serial): (InstanceId, _, _) = (row.id(0)?, row.text(4)?, row.text(5)?);
            Ok::<_, Error>(UseOfInstance {
                product_instance_id: id,
                udi: format!("PID:{pid},SN:{serial}"),
                next: format!("{}~{tag}", id.0),
                tag: tag.clone(),
                count: row.int(1)?,
                as_of: row.int(2)?,
                report_id: row.int(3)?,
            })
        })?);
    }
    Ok(uses)
}

impl Cssm {
    /// The signed reports that the use of a licence in a period comes from; `after` is what the last row says by `next`.
    ///
    /// # Errors
    /// When there is no such account, no licence is named, or `after` is none.
    pub fn use_sources(
        &self,
        account: Account,
        license: &str,
        period: Period,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Source>, Error> {
        let (license, after) = (license.to_owned(), after.to_owned());
        self.db.read("sources.use", move |tx| {
            check_part(tx, account)?;
            check_license(&license)?;
            let limit = limit.clamp(1, 1_000);
            sources(tx, account, &license, period.seconds(), &after, limit)
        })
    }

    /// The product instances that a licence is in use on now, each with the report that says so.
    ///
    /// # Errors
    /// As [`Cssm::use_sources`].
    pub fn uses_now(
        &self,
        account: Account,
        license: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<UseOfInstance>, Error> {
        let (license, after) = (license.to_owned(), after.to_owned());
        self.db.read("sources.now", move |tx| {
            check_part(tx, account)?;
            check_license(&license)?;
            uses_now(tx, account, &license, &after, limit.clamp(1, 1_000))
        })
    }

    /// A report as it was signed, of those that were received in a virtual account.
    ///
    /// # Errors
    /// When there is none.
    pub fn signed_report(
        &self,
        (smart_account_id, virtual_account_id): Account,
        id: InstanceId,
        report_id: i64,
    ) -> Result<SignedReportView, Error> {
        let suite = std::sync::Arc::clone(&self.suite);
        self.db.read("sources.report", move |tx| {
            check_part(tx, (smart_account_id, virtual_account_id))?;
            let sql = "SELECT product_instance.pid, product_instance.serial,
                product_instance.public_key, rum_report.payload, rum_report.signing_key,
                rum_report.signature, rum_report.received_at, rum_report.hop, rum_report.sha256,
                rum_report.count_seconds, rum_report.overlap_seconds FROM rum_report
                JOIN product_instance ON product_instance.id = rum_report.product_instance_id
                WHERE rum_report.product_instance_id = $1 AND rum_report.report_id = $2
                AND rum_report.smart_account_id = $3 AND rum_report.virtual_account_id = $4";
            let values =
                [id.into(), report_id.into(), smart_account_id.into(), virtual_account_id.into()];
            let view = tx.row(sql, &values, |row| {
                let (udi, signing_key) = (Udi::new(&row.text(0)?, &row.text(1)?), row.text(4)?);
                let udi = udi.map_err(|wrong| Error::Invalid(wrong.to_string()))?;
                let (signing_type, key) = signing_key.split_once(' ').unwrap_or_default();
                let signature = ReportSignature {
                    sudi: udi.clone(),
                    signing_type: signing_type.to_owned(),
                    key: key.to_owned(),
                    value: base64(&row.bytes(5)?),
                };
                let (payload, public_key) = (row.text(3)?, PublicKey::from_text(&row.text(2)?));
                let document = DocumentWriter::new().kept_report(&payload, &signature).finish();
                let signed = SignedReport::from_parts(payload, signature);
                let verifies = match (signed, &public_key) {
                    (Ok(mut signed), Some(key)) => signed.verify(&*suite, key),
                    _ => false,
                };
                Ok::<_, Error>(SignedReportView {
                    product_instance_id: id,
                    udi: udi.to_string(),
                    report_id,
                    received_at: row.int(6)?,
                    hop: row.opt_text(7)?,
                    sha256: base64(&row.bytes(8)?),
                    count_seconds: row.int(9)?,
                    overlap_seconds: row.int(10)?,
                    public_key: public_key.map(|key| key.to_pem()).unwrap_or_default(),
                    verifies,
                    document,
                })
            })?;
            view.ok_or(Error::NotFound("report"))
        })
    }
}
