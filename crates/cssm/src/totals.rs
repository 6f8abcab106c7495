//! Totals that are kept and not counted: what is in use, and how many product instances there are. Each changes in the
//! transaction of what it counts; that they are right is proven by counting (CSSM-027).

use std::collections::{BTreeMap, BTreeSet};

use rumline_catalogue::Catalogue;
use rumline_protocol::{Timestamp, Udi};
use rumline_server::{News, announce};
use rumline_store::{Db, Tx, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::books::Uses;
use crate::days::{self, Changes};
use crate::ids::{Account, InstanceId, SmartAccountId, VirtualAccountId};
use crate::usage::{self, Days};
use crate::{Cssm, Error};

/// What a product instance adds to the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Share {
    account: Option<Account>,
    /// In use, by entitlement tag.
    uses: BTreeMap<String, i64>,
}

/// A total that was not what counting says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrongTotal {
    /// `in use`, `product instances`, `holding` or `use over time`.
    pub kind: String,
    /// Its smart account.
    pub smart_account_id: SmartAccountId,
    /// Its virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// The entitlement tag, the licence with its day, or the number of the purchase; empty where there is none.
    pub of: String,
    /// What was kept.
    pub kept: i64,
    /// What counting says.
    pub counted: i64,
}

fn share(tx: &mut Tx<'_>, id: InstanceId) -> Result<Share, Error> {
    let sql = "SELECT smart_account_id, virtual_account_id FROM product_instance
        WHERE id = $1 AND removed_at IS NULL";
    let account = tx.row(sql, &[id.into()], |row| Ok::<_, Error>((row.id(0)?, row.id(1)?)))?;
    let Some(account): Option<Account> = account else { return Ok(Share::default()) };
    let sql = "SELECT tag, count FROM license_use WHERE smart_account_id = $1
        AND product_instance_id = $2 AND count > 0";
    let uses = tx.rows(sql, &[account.0.into(), id.into()], |row| {
        Ok::<_, Error>((row.text(0)?, row.int(1)?))
    })?;
    Ok(Share { account: Some(account), uses: uses.into_iter().collect() })
}

/// Does what changes of which account a product instance is, whether it is there, or what it uses; the totals follow.
/// Whoever wants to know is told of it.
pub(crate) fn kept<T>(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: InstanceId,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let before = share(tx, id)?;
    let done = work(tx)?;
    let after = share(tx, id)?;
    if before == after {
        return Ok(done);
    }
    if let Some(account) = after.account.filter(|_| before.account != after.account) {
        let sql = "UPDATE license_use SET virtual_account_id = $1 WHERE smart_account_id = $2
            AND product_instance_id = $3";
        tx.execute(sql, &[account.1.into(), account.0.into(), id.into()])?;
    }
    let mut changes: BTreeMap<(Account, String), (i64, i64)> = BTreeMap::new();
    for (share, sign) in [(before, -1), (after, 1)] {
        let Some(account) = share.account else { continue };
        change_instances(tx, account, sign)?;
        for (tag, count) in share.uses {
            let (was, is) = changes.entry((account, tag)).or_default();
            *(if sign < 0 { was } else { is }) = count;
        }
    }
    for ((account, tag), (was, is)) in changes {
        if was != is {
            change_use(tx, account, &tag, is - was)?;
            tell(tx, now, (account, id, &tag), (was, is), now)?;
        }
    }
    Ok(done)
}

/// Tells whoever wants to know that a product instance uses more or fewer of a licence in an account than before, as of then.
pub(crate) fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    ((smart_account_id, virtual_account_id), id, tag): (Account, InstanceId, &str),
    (before, in_use): (i64, i64),
    as_of: Timestamp,
) -> Result<(), Error> {
    let sql = "SELECT pid, serial FROM product_instance WHERE id = $1";
    let udi = tx.row(sql, &[id.into()], |row| {
        Ok::<_, Error>(Udi { pid: row.text(0)?, serial: row.text(1)? }.to_string())
    })?;
    let data = serde_json::json!({
        "license": Catalogue::nexus().license_of(tag),
        "virtual_account_id": virtual_account_id,
        "product_instance_id": id,
        "in_use": in_use,
        "before": before,
        "as_of": as_of.0,
    });
    let at = format!("/smart-accounts/{smart_account_id}");
    let news = News { kind: "use", at: &at, subject: udi.as_deref(), data };
    announce(tx, now, smart_account_id.into(), &news)
}

/// So many more are in use; below zero fewer.
pub(crate) fn change_use(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    tag: &str,
    by: i64,
) -> Result<(), Error> {
    if by == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO use_total (smart_account_id, virtual_account_id, tag, count)
        VALUES ($1, $2, $3, $4) ON CONFLICT (smart_account_id, virtual_account_id, tag)
        DO UPDATE SET count = use_total.count + excluded.count";
    let values = [smart_account_id.into(), virtual_account_id.into(), tag.into(), by.into()];
    tx.execute(sql, &values)?;
    Ok(())
}

fn change_instances(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    by: i64,
) -> Result<(), Error> {
    let sql = "INSERT INTO instance_total (smart_account_id, virtual_account_id, count)
        VALUES ($1, $2, $3) ON CONFLICT (smart_account_id, virtual_account_id)
        DO UPDATE SET count = instance_total.count + excluded.count";
    tx.execute(sql, &[smart_account_id.into(), virtual_account_id.into(), by.into()])?;
    Ok(())
}

/// What is in use, by virtual account and licence.
pub(crate) fn uses(tx: &mut Tx<'_>, smart_account_id: SmartAccountId) -> Result<Uses, Error> {
    let sql = "SELECT virtual_account_id, tag, count FROM use_total WHERE smart_account_id = $1
        AND count <> 0 ORDER BY virtual_account_id, tag";
    let used = tx.rows(sql, &[smart_account_id.into()], |row| {
        Ok::<_, Error>((row.id(0)?, row.text(1)?, row.int(2)?))
    })?;
    let mut uses = Uses::new();
    for (virtual_account_id, tag, count) in used {
        let license = Catalogue::nexus().license_of(&tag);
        *uses.entry((virtual_account_id, license)).or_default() += count;
    }
    Ok(uses)
}

/// A total: what it is called, what is kept, how it is counted, and what keeps it.
struct Total {
    kind: &'static str,
    kept: &'static str,
    counted: &'static str,
    emptied: &'static str,
    put: &'static str,
}

const TOTALS: [Total; 3] = [
    Total {
        kind: "in use",
        kept: "SELECT smart_account_id, virtual_account_id, tag, count FROM use_total",
        counted: "SELECT product_instance.smart_account_id, product_instance.virtual_account_id,
            license_use.tag, CAST(SUM(license_use.count) AS BIGINT) FROM license_use
            JOIN product_instance ON product_instance.id = license_use.product_instance_id
            AND product_instance.smart_account_id = license_use.smart_account_id
            WHERE product_instance.removed_at IS NULL
            GROUP BY product_instance.smart_account_id, product_instance.virtual_account_id,
            license_use.tag",
        emptied: "DELETE FROM use_total",
        put: "INSERT INTO use_total (smart_account_id, virtual_account_id, tag, count)
            VALUES ($1, $2, $3, $4)",
    },
    Total {
        kind: "product instances",
        kept: "SELECT smart_account_id, virtual_account_id, '', count FROM instance_total",
        counted: "SELECT smart_account_id, virtual_account_id, '', COUNT(*) FROM product_instance
            WHERE removed_at IS NULL GROUP BY smart_account_id, virtual_account_id",
        emptied: "DELETE FROM instance_total",
        put: "INSERT INTO instance_total (smart_account_id, virtual_account_id, count)
            VALUES ($1, $2, $3)",
    },
    Total {
        kind: "holding",
        kept: "SELECT smart_account_id, virtual_account_id, CAST(purchase_id AS TEXT), quantity
            FROM holding",
        counted: "SELECT smart_account_id, virtual_account_id, CAST(purchase_id AS TEXT),
            CAST(SUM(quantity) AS BIGINT) FROM book_entry
            GROUP BY smart_account_id, virtual_account_id, purchase_id",
        emptied: "DELETE FROM holding",
        put: "INSERT INTO holding (smart_account_id, virtual_account_id, purchase_id, quantity)
            VALUES ($1, $2, $3, $4)",
    },
];

type Key = (SmartAccountId, VirtualAccountId, String);

fn read(tx: &mut Tx<'_>, sql: &str) -> Result<BTreeMap<Key, i64>, Error> {
    let rows = tx.rows(sql, &[], |row| {
        Ok::<_, Error>(((row.id(0)?, row.id(1)?, row.text(2)?), row.int(3)?))
    })?;
    Ok(rows.into_iter().filter(|(_, count)| *count != 0).collect())
}

impl Total {
    fn verify(&self, tx: &mut Tx<'_>) -> Result<(Vec<WrongTotal>, BTreeMap<Key, i64>), Error> {
        let (kept, counted) = (read(tx, self.kept)?, read(tx, self.counted)?);
        let keys: BTreeSet<&Key> = kept.keys().chain(counted.keys()).collect();
        let of = |all: &BTreeMap<Key, i64>, key| all.get(key).copied().unwrap_or(0);
        let wrong = keys.into_iter().filter(|key| of(&kept, key) != of(&counted, key));
        let wrong = wrong.map(|key| WrongTotal {
            kind: self.kind.to_owned(),
            smart_account_id: key.0,
            virtual_account_id: key.1,
            of: key.2.clone(),
            kept: of(&kept, key),
            counted: of(&counted, key),
        });
        Ok((wrong.collect(), counted))
    }

    fn put(&self, tx: &mut Tx<'_>, counted: &BTreeMap<Key, i64>) -> Result<(), Error> {
        tx.execute(self.emptied, &[])?;
        for ((smart_account_id, virtual_account_id, of), count) in counted {
            let mut values = vec![(*smart_account_id).into(), (*virtual_account_id).into()];
            match of.parse::<i64>() {
                Ok(purchase) if self.kind == "holding" => values.push(purchase.into()),
                _ if of.is_empty() => {}
                _ => values.push(Value::Text(of)),
            }
            values.push((*count).into());
            tx.execute(self.put, &values)?;
        }
        Ok(())
    }
}

/// Days whose use is not what the reports say: by how much it is more than that of the day before.
fn verify_days(tx: &mut Tx<'_>) -> Result<(Vec<WrongTotal>, Days), Error> {
    let (kept, counted) = (usage::kept_days(tx)?, usage::counted_days(tx)?);
    let keys: BTreeSet<_> = kept.keys().chain(counted.keys()).collect();
    let (none, mut wrong) = (Changes::new(), Vec::new());
    for key in keys {
        let (kept, counted) = (kept.get(key).unwrap_or(&none), counted.get(key).unwrap_or(&none));
        let days: BTreeSet<&i64> = kept.keys().chain(counted.keys()).collect();
        let of = |all: &Changes, day| all.get(day).copied().unwrap_or(0);
        wrong.extend(days.into_iter().filter(|day| of(kept, day) != of(counted, day)).map(|day| {
            WrongTotal {
                kind: "use over time".to_owned(),
                smart_account_id: key.0,
                virtual_account_id: key.1,
                of: format!("{} on {}", key.2, days::text(*day)),
                kept: of(kept, day),
                counted: of(counted, day),
            }
        }));
    }
    Ok((wrong, counted))
}

/// Counts what is kept in a database, and says what was kept wrongly.
///
/// # Errors
/// When the store fails.
pub fn check_totals(db: &Db) -> Result<Vec<WrongTotal>, Error> {
    db.read("totals.verify", |tx| {
        let mut wrong = Vec::new();
        for total in TOTALS {
            wrong.extend(total.verify(tx)?.0);
        }
        wrong.extend(verify_days(tx)?.0);
        Ok(wrong)
    })
}

/// The same, and keeps what counting says.
///
/// # Errors
/// When the store fails.
pub fn mend_totals(db: &Db) -> Result<Vec<WrongTotal>, Error> {
    db.write("totals.rebuild", |tx| {
        let mut wrong = Vec::new();
        for total in TOTALS {
            let (found, counted) = total.verify(tx)?;
            if !found.is_empty() {
                total.put(tx, &counted)?;
            }
            wrong.extend(found);
        }
        let (found, counted) = verify_days(tx)?;
        if !found.is_empty() {
            usage::put_days(tx, &counted)?;
        }
        wrong.extend(found);
        Ok(wrong)
    })
}

impl Cssm {
    /// Counts what is kept, and says what was kept wrongly.
    ///
    /// # Errors
    /// When the store fails.
    pub fn verify_totals(&self) -> Result<Vec<WrongTotal>, Error> {
        check_totals(&self.db)
    }

    /// The same, and keeps what counting says.
    ///
    /// # Errors
    /// When the store fails.
    pub fn rebuild_totals(&self) -> Result<Vec<WrongTotal>, Error> {
        mend_totals(&self.db)
    }
}
