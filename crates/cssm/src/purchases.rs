//! Purchases as a book (PI-LIC-005, CSSM-004, 026, 027): what was bought, corrected and handed on are entries that nobody
//! edits, and what each virtual account holds of a purchase follows from them.

use rumline_catalogue::Catalogue;
use rumline_protocol::Timestamp;
use rumline_server::{check_name, next_id};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, one_by_one, smart_account, virtual_account};
use crate::books::Holding;
use crate::ids::{Account, EntryId, PurchaseId, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error, Only, PartId};

/// The most licences of a purchase.
const QUANTITY_MAX: i64 = 1_000_000_000;
/// The last second that a date may name: the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;
/// The longest reason of a correction, in characters.
const REASON_LETTERS_MAX: usize = 500;

/// How long a purchase lasts (PI-LIC-005).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PurchaseKind {
    /// Without end.
    Perpetual,
    /// For a term, once.
    Term,
    /// For a term that is meant to be renewed.
    Subscription,
}

impl PurchaseKind {
    fn name(self) -> &'static str {
        match self {
            Self::Perpetual => "PERPETUAL",
            Self::Term => "TERM",
            Self::Subscription => "SUBSCRIPTION",
        }
    }

    fn from_name(name: &str) -> Result<Self, Error> {
        [Self::Perpetual, Self::Term, Self::Subscription]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(Error::NotFound("kind of purchase"))
    }
}

/// Licences that are bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    /// Short name of the licence, or that of a tier.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
    pub license: String,
    /// How many.
    #[schemars(range(min = 1, max = QUANTITY_MAX))]
    pub quantity: i64,
    /// How long it lasts.
    pub kind: PurchaseKind,
    /// When it begins, in seconds since 1970; 0 for at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = SECONDS_MAX))]
    pub starts_at: i64,
    /// When it ends, unless it is perpetual.
    #[serde(default)]
    #[schemars(range(min = 0, max = SECONDS_MAX))]
    pub ends_at: Option<i64>,
    /// The number of the order, if there is one.
    #[serde(default)]
    #[schemars(length(max = rumline_server::NAME_LETTERS_MAX))]
    pub order_number: String,
}

/// What a virtual account holds of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// How many.
    pub quantity: i64,
}

/// A purchase as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PurchaseView {
    /// Its number.
    pub id: PurchaseId,
    /// Short name of the licence.
    pub license: String,
    /// How long it lasts.
    pub kind: PurchaseKind,
    /// When it begins.
    pub starts_at: i64,
    /// When it ends.
    pub ends_at: Option<i64>,
    /// The number of the order.
    pub order_number: String,
    /// When it was recorded.
    pub recorded_at: i64,
    /// From when on it counts (CSSM-026).
    pub visible_at: i64,
    /// Who holds how many.
    pub shares: Vec<Share>,
}

/// An entry of the book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// When.
    pub at: i64,
    /// By whom.
    pub login: String,
    /// `bought`, `corrected` or `transferred`.
    pub kind: String,
    /// The virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// How many more; below zero fewer.
    pub quantity: i64,
    /// Why.
    pub reason: String,
}

/// A correction: more or fewer of a purchase than the book says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// The virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// How many more; below zero fewer.
    #[schemars(range(min = -QUANTITY_MAX, max = QUANTITY_MAX))]
    pub quantity: i64,
    /// Why.
    #[schemars(length(min = 1, max = 500))]
    pub reason: String,
}

/// Licences that one virtual account hands on to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LicenseTransfer {
    /// Short name of the licence.
    pub license: String,
    /// How many.
    pub quantity: i64,
    /// Whose they are.
    pub from: VirtualAccountId,
    /// Whose they will be.
    pub to: VirtualAccountId,
    /// Of this purchase only.
    #[serde(default)]
    pub purchase_id: Option<PurchaseId>,
}

/// What of a purchase is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moved {
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// How many.
    pub quantity: i64,
    /// From when on it counts.
    pub counts_at: i64,
    /// When it ends, if it does.
    pub ends_at: Option<i64>,
}

/// Whether there is such a licence.
fn check_license(license: &str) -> Result<(), Error> {
    check_name("license", "a license's name", license)?;
    let catalogue = Catalogue::nexus();
    let mut names = catalogue.packages().iter().map(|package| package.name.as_str());
    let mut tiers = catalogue.tiers().iter().map(|tier| tier.license.as_str());
    if names.any(|name| name == license) || tiers.any(|name| name == license) {
        return Ok(());
    }
    let text =
        format!("there is no license {license:?}; `rumline cssm catalogue` lists those there are");
    Err(Error::field("license", text))
}

impl Purchase {
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Error> {
        check_license(&self.license)?;
        if !(1..=QUANTITY_MAX).contains(&self.quantity) {
            return Err(Error::field("quantity", "a quantity is 1 to 1,000,000,000"));
        }
        if !self.order_number.is_empty() {
            check_name("order_number", "an order's number", &self.order_number)?;
        }
        let is_date = |at: i64| (0..=SECONDS_MAX).contains(&at);
        if !is_date(self.starts_at) || !self.ends_at.is_none_or(is_date) {
            let field = if is_date(self.starts_at) { "ends_at" } else { "starts_at" };
            let text = "times are seconds since 1970, up to the year 9999";
            return Err(Error::field(field, text));
        }
        let wrong = match (self.kind, self.ends_at) {
            (PurchaseKind::Perpetual, None) => return Ok(()),
            (PurchaseKind::Perpetual, Some(_)) => {
                "a perpetual purchase has no end: leave it out, or choose a term or a subscription"
            }
            (_, None) => "a term or a subscription needs its end",
            (_, Some(at)) if at > self.starts_at => return Ok(()),
            (_, Some(at)) if at <= now.0 => {
                "the end is in the past: name a later one, or also the start if it was over before it is recorded"
            }
            (_, Some(_)) => "the end is before the start",
        };
        Err(Error::field("ends_at", wrong))
    }
}

/// Writes an entry, and what is held by it.
pub(crate) fn enter(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    (smart_account_id, purchase_id): (SmartAccountId, PurchaseId),
    (virtual_account_id, quantity): (VirtualAccountId, i64),
    (kind, reason): (&str, &str),
) -> Result<(), Error> {
    let id: EntryId = next_id(tx, "book_entry")?;
    let sql = "INSERT INTO book_entry (smart_account_id, id, purchase_id, virtual_account_id,
        quantity, kind, at, login, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = [
        smart_account_id.into(),
        id.into(),
        purchase_id.into(),
        virtual_account_id.into(),
        quantity.into(),
        kind.into(),
        now.0.into(),
        actor.name().into(),
        reason.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "INSERT INTO holding (smart_account_id, purchase_id, virtual_account_id, quantity)
        VALUES ($1, $2, $3, $4) ON CONFLICT (smart_account_id, purchase_id, virtual_account_id)
        DO UPDATE SET quantity = holding.quantity + excluded.quantity";
    tx.execute(sql, &[values[0], values[2], values[3], values[4]])?;
    let held = held(tx, smart_account_id, purchase_id, virtual_account_id)?;
    if held < 0 {
        let there = held - quantity;
        return Err(Error::Conflict(format!("there are {there} of it in this virtual account")));
    }
    if held > QUANTITY_MAX {
        return Err(Error::invalid("nobody holds more than 1,000,000,000 of a purchase"));
    }
    Ok(())
}

fn held(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    purchase_id: PurchaseId,
    virtual_account_id: VirtualAccountId,
) -> Result<i64, Error> {
    let sql = "SELECT quantity FROM holding WHERE smart_account_id = $1 AND purchase_id = $2
        AND virtual_account_id = $3";
    let ids = [smart_account_id.into(), purchase_id.into(), virtual_account_id.into()];
    Ok(tx.row(sql, &ids, |row| row.int(0))?.unwrap_or(0))
}

const COLUMNS: &str =
    "id, license, kind, starts_at, ends_at, order_number, recorded_at, visible_at";

fn from_row(row: &rumline_store::Row<'_>) -> Result<PurchaseView, Error> {
    Ok(PurchaseView {
        id: row.id(0)?,
        license: row.text(1)?,
        kind: PurchaseKind::from_name(&row.text(2)?)?,
        starts_at: row.int(3)?,
        ends_at: row.opt_int(4)?,
        order_number: row.text(5)?,
        recorded_at: row.int(6)?,
        visible_at: row.int(7)?,
        shares: Vec::new(),
    })
}

fn one(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: PurchaseId,
) -> Result<PurchaseView, Error> {
    let sql = format!("SELECT {COLUMNS} FROM purchase WHERE smart_account_id = $1 AND id = $2");
    let found = tx.row(&sql, &[smart_account_id.into(), id.into()], from_row)?;
    let mut view = found.ok_or(Error::NotFound("purchase"))?;
    view.shares = shares(tx, smart_account_id, id, &Only::All)?;
    Ok(view)
}

fn shares(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: PurchaseId,
    only: &Only<PartId>,
) -> Result<Vec<Share>, Error> {
    let sql = "SELECT virtual_account_id, quantity FROM holding WHERE smart_account_id = $1
        AND purchase_id = $2 AND quantity <> 0 ORDER BY virtual_account_id";
    let mut all = tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
        Ok::<_, Error>(Share { virtual_account_id: row.id(0)?, quantity: row.int(1)? })
    })?;
    all.retain(|share| only.has(&share.virtual_account_id.into()));
    Ok(all)
}

/// What the virtual accounts hold, each purchase with the times in which it counts.
pub(crate) fn holdings(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
) -> Result<Vec<Holding>, Error> {
    let sql = "SELECT holding.virtual_account_id, purchase.license, holding.quantity,
        purchase.starts_at, purchase.ends_at, purchase.visible_at FROM holding JOIN purchase
        ON purchase.smart_account_id = holding.smart_account_id
        AND purchase.id = holding.purchase_id
        WHERE holding.smart_account_id = $1 AND holding.quantity <> 0
        ORDER BY holding.purchase_id, holding.virtual_account_id";
    tx.rows(sql, &[smart_account_id.into()], |row| {
        Ok(Holding {
            virtual_account_id: row.id(0)?,
            license: row.text(1)?,
            quantity: row.int(2)?,
            from: row.int(3)?.max(row.int(5)?),
            until: row.opt_int(4)?,
        })
    })
}

/// Records what counts at once, and why it is there.
pub(crate) fn record(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    account: Account,
    purchase: &Purchase,
    why: (&str, &str),
) -> Result<(), Error> {
    write(tx, now, actor, account, (purchase, 0), why).map(|_| ())
}

fn write(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    (smart_account_id, virtual_account_id): Account,
    (purchase, visible_at): (&Purchase, i64),
    why: (&str, &str),
) -> Result<PurchaseId, Error> {
    let id: PurchaseId = next_id(tx, "purchase")?;
    let sql = "INSERT INTO purchase (smart_account_id, id, license, kind, starts_at,
        ends_at, order_number, recorded_at, visible_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = [
        smart_account_id.into(),
        id.into(),
        (&purchase.license).into(),
        purchase.kind.name().into(),
        purchase.starts_at.into(),
        purchase.ends_at.into(),
        (&purchase.order_number).into(),
        now.0.into(),
        visible_at.into(),
    ];
    tx.execute(sql, &values)?;
    let share = (virtual_account_id, purchase.quantity);
    enter(tx, now, actor, (smart_account_id, id), share, why)?;
    Ok(id)
}

impl Cssm {
    /// Records a purchase; it counts once the delay of the settings is over (CSSM-026).
    ///
    /// # Errors
    /// When a value is not acceptable.
    pub fn add_purchase(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
        purchase: &Purchase,
    ) -> Result<PurchaseView, Error> {
        let mut purchase = purchase.clone();
        if purchase.starts_at == 0 {
            purchase.starts_at = now.0;
        }
        purchase.check(now)?;
        let visible_at = now + self.settings.purchase_delay_seconds;
        let actor = actor.clone();
        self.db.write("purchases.add", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            // Without a delay it counts from its own beginning on, also in the past.
            let visible_at = if visible_at == now { 0 } else { visible_at.0 };
            let account = (smart_account_id, virtual_account_id);
            let id = write(tx, now, &actor, account, (&purchase, visible_at), ("bought", ""))?;
            let text = format!("{} x {} purchased", purchase.quantity, purchase.license);
            add_event(tx, now, smart_account_id, &actor, &text)?;
            one(tx, smart_account_id, id)
        })
    }

    /// The purchases of an account that these virtual accounts hold something of, in the order they were recorded.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn purchases(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        after: PurchaseId,
        limit: i64,
    ) -> Result<Vec<PurchaseView>, Error> {
        self.purchases_where("", smart_account_id, only, after, limit)
    }

    /// The same, of those that end: terms and subscriptions.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn subscriptions(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        after: PurchaseId,
        limit: i64,
    ) -> Result<Vec<PurchaseView>, Error> {
        self.purchases_where("AND ends_at IS NOT NULL", smart_account_id, only, after, limit)
    }

    fn purchases_where(
        &self,
        which: &'static str,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        after: PurchaseId,
        limit: i64,
    ) -> Result<Vec<PurchaseView>, Error> {
        let (only, limit) = (only.clone(), limit.clamp(1, 1_000));
        self.db.read("purchases.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let mut views = Vec::new();
            for part in one_by_one(&only) {
                let of = if part.is_some() {
                    "AND id IN (SELECT purchase_id FROM holding WHERE smart_account_id = $1
                    AND virtual_account_id = $4 AND quantity <> 0)"
                } else {
                    ""
                };
                let sql = format!(
                    "SELECT {COLUMNS} FROM purchase WHERE smart_account_id = $1 AND id > $2 {which}
                    {of} ORDER BY id LIMIT $3"
                );
                let values = [smart_account_id.into(), after.into(), limit.into(), part.into()];
                let values = if part.is_some() { &values[..] } else { &values[..3] };
                views.extend(tx.rows(&sql, values, from_row)?);
            }
            views.sort_by_key(|view: &PurchaseView| view.id);
            views.dedup_by_key(|view| view.id);
            views.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            for view in &mut views {
                view.shares = shares(tx, smart_account_id, view.id, &only)?;
            }
            Ok(views)
        })
    }

    /// One purchase, with its entries from the first one on.
    ///
    /// # Errors
    /// When there is none.
    pub fn purchase(
        &self,
        smart_account_id: SmartAccountId,
        id: PurchaseId,
    ) -> Result<(PurchaseView, Vec<Entry>), Error> {
        self.db.read("purchases.one", move |tx| {
            let view = one(tx, smart_account_id, id)?;
            let sql = "SELECT id, at, login, kind, virtual_account_id, quantity, reason
                FROM book_entry WHERE smart_account_id = $1 AND purchase_id = $2 ORDER BY id";
            let entries = tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok::<_, Error>(Entry {
                    id: row.id(0)?,
                    at: row.int(1)?,
                    login: row.text(2)?,
                    kind: row.text(3)?,
                    virtual_account_id: row.id(4)?,
                    quantity: row.int(5)?,
                    reason: row.text(6)?,
                })
            })?;
            Ok((view, entries))
        })
    }

    /// Corrects a purchase by an entry; a correction is corrected by another one.
    ///
    /// # Errors
    /// When there is no such purchase, or fewer than none would be left.
    pub fn correct_purchase(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: PurchaseId,
        correction: &Correction,
    ) -> Result<PurchaseView, Error> {
        if correction.quantity == 0
            || correction.quantity.unsigned_abs() > QUANTITY_MAX.unsigned_abs()
        {
            return Err(Error::field(
                "quantity",
                "a correction is -1,000,000,000 to 1,000,000,000 licenses, and not none",
            ));
        }
        let reason = correction.reason.trim().to_owned();
        let letters = reason.chars().count();
        if letters == 0 || letters > REASON_LETTERS_MAX || reason.chars().any(char::is_control) {
            return Err(Error::field(
                "reason",
                "a correction has a reason of 1 to 500 printable characters",
            ));
        }
        let (actor, correction) = (actor.clone(), correction.clone());
        self.db.write("purchases.correct", move |tx| {
            let view = one(tx, smart_account_id, id)?;
            virtual_account(tx, smart_account_id, correction.virtual_account_id)?;
            let share = (correction.virtual_account_id, correction.quantity);
            enter(tx, now, &actor, (smart_account_id, id), share, ("corrected", &reason))?;
            let text = format!(
                "purchase {id} of {} corrected by {:+}: {reason}",
                view.license, correction.quantity
            );
            add_event(tx, now, smart_account_id, &actor, &text)?;
            one(tx, smart_account_id, id)
        })
    }

    /// Hands licences on to another virtual account (CSSM-004), those that count already and last
    /// longest first; or says only what would be.
    ///
    /// # Errors
    /// When there are not that many, or no such account.
    pub fn transfer_licenses(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        transfer: &LicenseTransfer,
        is_preview: bool,
    ) -> Result<Vec<Moved>, Error> {
        let (actor, transfer) = (actor.clone(), transfer.clone());
        let work = move |tx: &mut Tx<'_>| {
            let from = virtual_account(tx, smart_account_id, transfer.from)?;
            let to = virtual_account(tx, smart_account_id, transfer.to)?;
            check_license(&transfer.license)?;
            if !(1..=QUANTITY_MAX).contains(&transfer.quantity) {
                return Err(Error::field("quantity", "a quantity is 1 to 1,000,000,000"));
            }
            if transfer.from == transfer.to {
                return Err(Error::field(
                    "to",
                    "a transfer is from one virtual account to another",
                ));
            }
            let sql = "SELECT holding.purchase_id, holding.quantity, purchase.ends_at,
                purchase.starts_at, purchase.visible_at
                FROM holding JOIN purchase
                ON purchase.smart_account_id = holding.smart_account_id
                AND purchase.id = holding.purchase_id
                WHERE holding.smart_account_id = $1 AND holding.virtual_account_id = $2
                AND purchase.license = $3 AND holding.quantity > 0
                AND (purchase.ends_at IS NULL OR purchase.ends_at > $4)
                ORDER BY CASE WHEN purchase.starts_at <= $4 AND purchase.visible_at <= $4
                THEN 0 ELSE 1 END, CASE WHEN purchase.ends_at IS NULL THEN 0 ELSE 1 END,
                purchase.ends_at DESC, holding.purchase_id";
            let values = [
                smart_account_id.into(),
                transfer.from.into(),
                (&transfer.license).into(),
                now.0.into(),
            ];
            let mut there = tx.rows(sql, &values, |row| {
                let (purchase_id, quantity) = (row.id(0)?, row.int(1)?);
                let counts_at = row.int(3)?.max(row.int(4)?);
                Ok::<_, Error>(Moved { purchase_id, quantity, counts_at, ends_at: row.opt_int(2)? })
            })?;
            there.retain(|held| transfer.purchase_id.is_none_or(|only| only == held.purchase_id));
            let mut left = transfer.quantity;
            let mut moved = Vec::new();
            for held in there {
                let quantity = left.min(held.quantity);
                if quantity > 0 {
                    moved.push(Moved { quantity, ..held });
                    left -= quantity;
                }
            }
            if left > 0 {
                let (there, license) = (transfer.quantity - left, &transfer.license);
                let text = format!("{} holds {there} x {license}", from.name);
                return Err(Error::Conflict(text));
            }
            if is_preview {
                return Ok(moved);
            }
            for part in &moved {
                let id = (smart_account_id, part.purchase_id);
                let (out, into) = ((transfer.from, -part.quantity), (transfer.to, part.quantity));
                enter(tx, now, &actor, id, out, ("transferred", &to.name))?;
                enter(tx, now, &actor, id, into, ("transferred", &from.name))?;
            }
            let text = format!(
                "{} x {} transferred from {:?} to {:?}",
                transfer.quantity, transfer.license, from.name, to.name
            );
            add_event(tx, now, smart_account_id, &actor, &text)?;
            Ok(moved)
        };
        if is_preview {
            self.db.read("purchases.preview", work)
        } else {
            self.db.write("purchases.transfer", work)
        }
    }
}
