//! Finding product instances among many: by the beginning of a name, a serial number or a product id, or by product type
//! (CSSM-013), in an order that an index has.

use std::collections::BTreeMap;

use rumline_catalogue::Catalogue;
use rumline_store::{Tx, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::smart_account;
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::instances::search_key;
use crate::inventory::{self, InstanceView};
use crate::{Cssm, Error, Only, PartId};

/// Matches are counted to here; more are only more.
const COUNT_MAX: i64 = 10_000;
/// A list ends after so many matches in a row of rows that were in it before: those beyond are found by `sort`.
const LEFT_OUT_MAX: usize = 10_000;
/// Rows that are read at a time where many are left out.
const PIECE: i64 = 1_000;
/// The longest text that is searched for, in bytes.
const SEARCH_BYTES_MAX: usize = 256;

/// What product instances are sorted by, and searched in.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SortBy {
    /// Their names.
    Name,
    /// Their serial numbers.
    Serial,
    /// Their product ids.
    Pid,
}

impl SortBy {
    const ALL: [Self; 3] = [Self::Name, Self::Serial, Self::Pid];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Serial => "serial",
            Self::Pid => "pid",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    fn column(self) -> &'static str {
        match self {
            Self::Name => "name_key",
            Self::Serial => "serial_key",
            Self::Pid => "pid_key",
        }
    }
}

/// Which product instances are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// What a name, a serial number or a product id begins with, or a product type; empty for all.
    pub text: String,
    /// Looks only there, and sorts by it; without it matches in names come first, then those in serial numbers and product
    /// ids, and all of them by number.
    pub sort_by: Option<SortBy>,
    /// From the last to the first.
    pub descending: bool,
}

/// A product instance that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundInstance {
    /// The product instance.
    #[serde(flatten)]
    pub instance: InstanceView,
    /// Where the list goes on after it.
    pub next: String,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// As many, or at least as many.
    pub count: i64,
    /// Whether there are no more.
    pub is_exact: bool,
}

/// Keys from one to before another.
type Range = (Vec<u8>, Vec<u8>);

/// Where a list goes on: after a key in a column, and a number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    column: SortBy,
    key: Vec<u8>,
    id: InstanceId,
}

impl Place {
    fn to_text(&self) -> String {
        let key: String = self.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let column = SortBy::ALL.iter().position(|column| *column == self.column).unwrap_or(0);
        format!("{column}~{}~{key}", self.id)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '~');
        let column = *SortBy::ALL.get(parts.next()?.parse::<usize>().ok()?)?;
        let id = InstanceId(parts.next()?.parse().ok()?);
        let digits = parts.next()?;
        if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
            return None;
        }
        let byte = |place| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
        let key = (0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?;
        Some(Self { column, key, id })
    }
}

impl Search {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.text.len() > SEARCH_BYTES_MAX {
            return Err(Error::parameter("search", "a search has at most 256 bytes"));
        }
        Ok(())
    }

    fn is_all(&self) -> bool {
        self.text.is_empty() && self.sort_by.is_none()
    }

    fn columns(&self) -> Vec<SortBy> {
        match self.sort_by {
            Some(column) => vec![column],
            None => SortBy::ALL.to_vec(),
        }
    }

    /// The keys of a column that match, in their order.
    fn ranges(&self, column: SortBy) -> Vec<Range> {
        let begin = search_key(&self.text);
        // No text holds this byte.
        let end = [&begin[..], &[0xff]].concat();
        let mut ranges = vec![(begin, end)];
        if column == SortBy::Pid && !self.text.is_empty() {
            let catalogue = Catalogue::nexus();
            let pids = catalogue.platforms().iter().map(|platform| platform.pid.as_str());
            let of_type = |pid: &&str| catalogue.product_type(pid).eq_ignore_ascii_case(&self.text);
            let one = |pid| {
                let key = search_key(pid);
                let end = [&key[..], &[0]].concat();
                (key, end)
            };
            ranges.extend(pids.filter(of_type).map(one));
        }
        ranges.sort();
        ranges.dedup();
        if self.descending {
            ranges.reverse();
        }
        ranges
    }

    /// Whether a product instance was found in a column before.
    fn found_before(&self, column: SortBy, keys: &[Vec<u8>; 3]) -> bool {
        let before = self.columns().into_iter().take_while(|one| *one != column);
        let in_column = |one: SortBy| {
            let key = &keys[SortBy::ALL.iter().position(|all| *all == one).unwrap_or(0)];
            self.ranges(one).iter().any(|(begin, end)| begin <= key && key < end)
        };
        before.into_iter().any(in_column)
    }
}

/// A row that was found, with its keys.
type Found = (InstanceView, [Vec<u8>; 3]);

/// The next ones in a range of a column, of one virtual account.
fn in_range(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): (SmartAccountId, VirtualAccountId),
    column: SortBy,
    (begin, end): &Range,
    after: Option<&Place>,
    descending: bool,
    limit: i64,
) -> Result<Vec<Found>, Error> {
    let key = column.column();
    let order = if descending { "DESC" } else { "ASC" };
    let inside = |place: &&Place| place.column == column && place.key >= *begin && place.key < *end;
    let here = after.filter(inside);
    let mut found: Vec<Found> = Vec::new();
    let mut add = |which: String, values: [Value<'_>; 2]| {
        let left = limit - i64::try_from(found.len()).unwrap_or(limit);
        if left <= 0 {
            return Ok(());
        }
        let sql = format!(
            "SELECT {}, name_key, serial_key, pid_key FROM product_instance
            WHERE smart_account_id = $1 AND virtual_account_id = $2 AND removed_at IS NULL
            AND {which} ORDER BY {key} {order}, id {order} LIMIT $5",
            inventory::COLUMNS
        );
        let [from, to] = values;
        let values = [smart_account_id.into(), virtual_account_id.into(), from, to, left.into()];
        found.extend(tx.rows(&sql, &values, |row| {
            let of = |place| row.opt_bytes(inventory::COLUMNS_COUNT + place);
            let keys = [of(0)?, of(1)?, of(2)?].map(Option::unwrap_or_default);
            Ok::<_, Error>((inventory::instance_from_row(row)?, keys))
        })?);
        Ok::<_, Error>(())
    };
    let Some(place) = here else {
        add(format!("{key} >= $3 AND {key} < $4"), [begin[..].into(), end[..].into()])?;
        return Ok(found);
    };
    // Those with the same key, then those with other ones: an engine that keeps the numbers beside the keys would else begin
    // anew with the key each time.
    let further = if descending { "<" } else { ">" };
    add(format!("{key} = $3 AND id {further} $4"), [place.key[..].into(), place.id.into()])?;
    if descending {
        add(format!("{key} >= $3 AND {key} < $4"), [begin[..].into(), place.key[..].into()])?;
    } else {
        add(format!("{key} > $3 AND {key} < $4"), [place.key[..].into(), end[..].into()])?;
    }
    Ok(found)
}

/// The virtual accounts of these that are there.
fn parts(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    only: &Only<PartId>,
) -> Result<Vec<VirtualAccountId>, Error> {
    smart_account(tx, smart_account_id)?;
    let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND closed_at IS NULL
        ORDER BY id";
    let mut parts: Vec<VirtualAccountId> =
        tx.rows(sql, &[smart_account_id.into()], |row| row.id(0))?;
    parts.retain(|part| only.has(&(*part).into()));
    Ok(parts)
}

/// Those that match, each once, or again for each column it matches in.
fn found(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    only: &Only<PartId>,
    search: &Search,
    (mut after, limit): (Option<Place>, i64),
    is_once: bool,
) -> Result<Vec<FoundInstance>, Error> {
    let parts = parts(tx, smart_account_id, only)?;
    let (mut all, mut left_out): (Vec<FoundInstance>, usize) = (Vec::new(), 0);
    let from = after.as_ref().map(|place| place.column);
    let columns = search.columns().into_iter();
    for column in columns.skip_while(|column| from.is_some_and(|from| *column != from)) {
        for range in search.ranges(column) {
            let passed = after.as_ref().is_some_and(|place| {
                place.column == column
                    && if search.descending { place.key < range.0 } else { place.key >= range.1 }
            });
            if passed {
                continue;
            }
            loop {
                let left = limit - i64::try_from(all.len()).unwrap_or(limit);
                if left <= 0 || left_out > LEFT_OUT_MAX {
                    return Ok(all);
                }
                // Where many are left out since they were found before, more are read at a time.
                let piece = if left_out > 0 { left.max(PIECE) } else { left };
                let mut rows: Vec<(Place, Found)> = Vec::new();
                for part in &parts {
                    let of = (smart_account_id, *part);
                    let descending = search.descending;
                    let here = in_range(tx, of, column, &range, after.as_ref(), descending, piece)?;
                    rows.extend(here.into_iter().map(|found| {
                        let place = SortBy::ALL.iter().position(|one| *one == column);
                        let key = found.1[place.unwrap_or(0)].clone();
                        (Place { column, key, id: found.0.id }, found)
                    }));
                }
                rows.sort_by(|(one, _), (other, _)| {
                    let order = (&one.key, one.id).cmp(&(&other.key, other.id));
                    if search.descending { order.reverse() } else { order }
                });
                rows.truncate(usize::try_from(piece).unwrap_or(usize::MAX));
                if rows.is_empty() {
                    break;
                }
                for (place, (instance, keys)) in rows {
                    if i64::try_from(all.len()).unwrap_or(limit) >= limit {
                        break;
                    }
                    after = Some(place.clone());
                    if is_once && search.found_before(column, &keys) {
                        left_out += 1;
                    } else {
                        all.push(FoundInstance { instance, next: place.to_text() });
                    }
                }
            }
        }
    }
    Ok(all)
}

/// The numbers of those that match, and where the list goes on after each; one that matches in several columns may come
/// again.
pub(crate) fn matching(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    (only, search): (&Only<PartId>, &Search),
    next: &str,
    limit: i64,
) -> Result<Vec<(InstanceId, String)>, Error> {
    let wrong = || Error::parameter("next", "the place to go on is none");
    if !search.is_all() {
        let after = match next {
            "" => None,
            text => Some(Place::from_text(text).ok_or_else(wrong)?),
        };
        let found = found(tx, smart_account_id, only, search, (after, limit), false)?;
        return Ok(found.into_iter().map(|found| (found.instance.id, found.next)).collect());
    }
    let after: i64 = if next.is_empty() { 0 } else { next.parse().map_err(|_| wrong())? };
    let mut ids: Vec<InstanceId> = Vec::new();
    for part in parts(tx, smart_account_id, only)? {
        let sql = "SELECT id FROM product_instance WHERE smart_account_id = $1
            AND virtual_account_id = $2 AND id > $3 AND removed_at IS NULL ORDER BY id LIMIT $4";
        let values = [smart_account_id.into(), part.into(), after.into(), limit.into()];
        ids.extend(tx.rows(sql, &values, |row| row.id::<InstanceId>(0))?);
    }
    ids.sort();
    ids.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(ids.into_iter().map(|id| (id, id.to_string())).collect())
}

/// How many match, of each column those that match in none before.
fn counted(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    only: &Only<PartId>,
    search: &Search,
) -> Result<Count, Error> {
    let parts = parts(tx, smart_account_id, only)?;
    if search.text.is_empty() {
        let sql = "SELECT count FROM instance_total WHERE smart_account_id = $1
            AND virtual_account_id = $2";
        let mut count = 0;
        for part in parts {
            let ids = [smart_account_id.into(), part.into()];
            count += tx.row(sql, &ids, |row| row.int(0))?.unwrap_or(0);
        }
        return Ok(Count { count, is_exact: true });
    }
    let mut count = 0;
    let columns = search.columns();
    for (place, column) in columns.iter().enumerate() {
        for (begin, end) in search.ranges(*column) {
            for part in &parts {
                let mut values: Vec<Value<'_>> = vec![
                    smart_account_id.into(),
                    (*part).into(),
                    begin[..].into(),
                    end[..].into(),
                    (COUNT_MAX + 1 - count).into(),
                ];
                // Product ids are looked for last: what is left out has one range.
                let key = search_key(&search.text);
                let key_end = [&key[..], &[0xff]].concat();
                let mut not_before = String::new();
                for before in &columns[..place] {
                    let column = before.column();
                    not_before += &format!(" AND NOT ({column} >= $6 AND {column} < $7)");
                }
                if place > 0 {
                    values.extend([Value::from(&key[..]), Value::from(&key_end[..])]);
                }
                let key = column.column();
                let sql = format!(
                    "SELECT COUNT(*) FROM (SELECT 1 FROM product_instance
                    WHERE smart_account_id = $1 AND virtual_account_id = $2
                    AND removed_at IS NULL AND {key} >= $3 AND {key} < $4 {not_before} LIMIT $5)
                    AS found"
                );
                count += tx.row(&sql, &values, |row| row.int(0))?.unwrap_or(0);
                if count > COUNT_MAX {
                    return Ok(Count { count: COUNT_MAX, is_exact: false });
                }
            }
        }
    }
    Ok(Count { count, is_exact: true })
}

impl Cssm {
    /// The product instances of these virtual accounts that match; `next` is what the last row says by `next`.
    ///
    /// # Errors
    /// When there is no such account, or `next` is none.
    pub fn find_instances(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        search: &Search,
        next: &str,
        limit: i64,
    ) -> Result<Vec<FoundInstance>, Error> {
        search.check()?;
        if search.descending && search.text.is_empty() && search.sort_by.is_none() {
            return Err(Error::invalid("say by what it is sorted: sort=name, serial or pid"));
        }
        let wrong = || Error::invalid("`next` is what the last row says");
        let limit = limit.clamp(1, 1_000);
        if search.is_all() {
            let after = if next.is_empty() { 0 } else { next.parse().map_err(|_| wrong())? };
            let all = self.instances(smart_account_id, only, InstanceId(after), limit)?;
            let found = all.into_iter().map(|instance| {
                let next = instance.id.to_string();
                FoundInstance { instance, next }
            });
            return Ok(found.collect());
        }
        let after = match next {
            "" => None,
            text => Some(Place::from_text(text).ok_or_else(wrong)?),
        };
        let (only, search) = (only.clone(), search.clone());
        self.db.read("finding.instances", move |tx| {
            let mut all =
                found(tx, smart_account_id, &only, &search, (after.clone(), limit), true)?;
            for found in &mut all {
                inventory::complete(tx, smart_account_id, &mut found.instance)?;
            }
            Ok(all)
        })
    }

    /// How many product instances each virtual account has; one with none may be left out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn part_counts(
        &self,
        smart_account_id: SmartAccountId,
    ) -> Result<BTreeMap<VirtualAccountId, i64>, Error> {
        self.db.read("finding.parts", move |tx| {
            let sql = "SELECT virtual_account_id, count FROM instance_total
                WHERE smart_account_id = $1";
            let rows = tx.rows(sql, &[smart_account_id.into()], |row| {
                Ok::<_, Error>((row.id(0)?, row.int(1)?))
            })?;
            Ok(rows.into_iter().collect())
        })
    }

    /// How many match, counted to 10,000; without a text how many there are.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn count_instances(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        search: &Search,
    ) -> Result<Count, Error> {
        search.check()?;
        let (only, search) = (only.clone(), search.clone());
        self.db.read("finding.count", move |tx| counted(tx, smart_account_id, &only, &search))
    }
}
