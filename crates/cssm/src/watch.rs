//! What nobody does and somebody has to be told of: licences that run short or end, reports that are overdue, product
//! instances and collectors that have fallen silent (CSSM-001, 027; G-19). It is looked for again and again, and what is so
//! no more is settled by itself.

use std::collections::{BTreeMap, BTreeSet};

use rumline_catalogue::Catalogue;
use rumline_protocol::{Policy, Timestamp};
use rumline_server::{RefusedLogins, refused_logins, secrets_that_end};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alerts::{self, AlertKind, SERVER};
use crate::books::{self, LicenseView};
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::policies::{Policies, tags_in_use_of};
use crate::{Cssm, Error, Only, purchases, totals};

const DAY: i64 = 86_400;
/// How many days before its end a purchase is spoken of, each time anew.
const EXPIRY_DAYS: [i64; 7] = [1, 3, 7, 14, 30, 60, 90];
/// A collector that has said nothing for so many days is silent.
const SILENT_DAYS: i64 = 7;
/// Reports that are missing are asked for, once an hour at most; those still missing so many seconds later are told of.
const GAP_SECONDS: i64 = 1_800;
/// Under one name so many logins have to be refused within so many seconds.
const FAILED_LOGINS_MIN: i64 = 5;
const FAILED_LOGINS_SECONDS: i64 = DAY;
/// So many days before its end the secret of a program is spoken of.
const SECRET_DAYS: i64 = 14;
/// Product instances of a virtual account that are named one by one; of more the number is told.
const NAMED_MAX: i64 = 100;

/// A kind of alert that is looked for, and what there is of it: about what, and what is told.
type Found = Vec<(AlertKind, String, String)>;

/// When each account was last looked at since the start: what of it was found is no older.
pub(crate) type Looks = BTreeMap<SmartAccountId, Timestamp>;

/// How many alerts are open after a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Watched {
    /// Accounts that were looked at.
    pub smart_accounts: usize,
    /// What is so now.
    pub open: usize,
}

/// The kinds that a look finds and settles.
const LOOKED_FOR: [AlertKind; 5] = [
    AlertKind::Shortage,
    AlertKind::Expiry,
    AlertKind::Overdue,
    AlertKind::SilentCollector,
    AlertKind::Gap,
];

impl Cssm {
    /// Looks at all accounts, each in a transaction of its own: what is wrong with one keeps no other from being looked at.
    ///
    /// # Errors
    /// When the store fails; the first one is told.
    pub fn watch(&self, now: Timestamp) -> Result<Watched, Error> {
        let (mut watched, mut wrong) = (Watched::default(), None);
        for account in self.smart_accounts(&Only::All)? {
            match self.watch_one(now, account.id) {
                Ok(open) => {
                    watched.smart_accounts += 1;
                    watched.open += open;
                }
                Err(error) => _ = wrong.get_or_insert(error),
            }
        }
        match self.watch_server(now) {
            Ok(open) => watched.open += open,
            Err(error) => _ = wrong.get_or_insert(error),
        }
        wrong.map_or(Ok(watched), Err)
    }

    fn watch_server(&self, now: Timestamp) -> Result<usize, Error> {
        let found = self.db.read("watch.logins", move |tx| {
            let mut found = failed_logins(tx, now)?;
            found.extend(secrets(tx, now)?);
            Ok::<_, Error>(found)
        })?;
        let open = found.len();
        self.db.write("watch.tell", move |tx| {
            tell(tx, now, SERVER, &[AlertKind::FailedLogins, AlertKind::SecretEnds], &found)
        })?;
        Ok(open)
    }

    fn watch_one(&self, now: Timestamp, id: SmartAccountId) -> Result<usize, Error> {
        let found = self.db.read("watch.look", move |tx| look(tx, now, id))?;
        let open = found.len();
        self.db.write("watch.tell", move |tx| tell(tx, now, id, &LOOKED_FOR, &found))?;
        self.looks.lock().expect("nothing panics with it").insert(id, now);
        Ok(open)
    }

    /// As of when the alerts of an account are that are looked for; none before the first look since the start.
    #[must_use]
    pub fn looked_at(&self, id: SmartAccountId) -> Option<Timestamp> {
        self.looks.lock().expect("nothing panics with it").get(&id).copied()
    }
}

/// Settles what was looked for of an account that becomes part of another one: there it is looked for anew, by the names that
/// hold then.
pub(crate) fn forget(tx: &mut Tx<'_>, now: Timestamp, id: SmartAccountId) -> Result<(), Error> {
    tell(tx, now, id, &LOOKED_FOR, &Found::new())
}

fn look(tx: &mut Tx<'_>, now: Timestamp, id: SmartAccountId) -> Result<Found, Error> {
    let sql = "SELECT id, name FROM virtual_account WHERE smart_account_id = $1
        AND closed_at IS NULL ORDER BY id";
    let parts: Vec<(VirtualAccountId, String)> =
        tx.rows(sql, &[id.into()], |row| Ok::<_, Error>((row.id(0)?, row.text(1)?)))?;
    let mut found = shortages(tx, now, id, &parts)?;
    found.extend(endings(tx, now, id)?);
    for (part, name) in &parts {
        found.extend(overdue(tx, now, (id, *part), name)?);
    }
    found.extend(gaps(tx, now, id)?);
    let sql = "SELECT kind, name, last_contact_at FROM collector WHERE smart_account_id = $1
        AND removed_at IS NULL AND COALESCE(last_contact_at, registered_at) < $2 ORDER BY id";
    let silent = tx.rows(sql, &[id.into(), (now.0 - SILENT_DAYS * DAY).into()], |row| {
        Ok::<_, Error>((format!("{} {}", row.text(0)?, row.text(1)?), row.opt_int(2)?))
    })?;
    for (name, last) in silent {
        let last = last.map_or("never".to_owned(), |at| format!("last at {}", Timestamp(at)));
        let text = format!(
            "It has said nothing for {SILENT_DAYS} days ({last}). See that it runs and reaches CSSM, or remove \
             it: what its product instances report waits there."
        );
        found.push((AlertKind::SilentCollector, name, text));
    }
    Ok(found)
}

fn shortages(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: SmartAccountId,
    parts: &[(VirtualAccountId, String)],
) -> Result<Found, Error> {
    let holdings = purchases::holdings(tx, id)?;
    let uses = totals::uses(tx, id)?;
    let views = books::balances(now.0, &holdings, &uses, Catalogue::nexus().tiers());
    let name = |of: VirtualAccountId| {
        parts.iter().find(|(part, _)| *part == of).map_or("", |(_, name)| name.as_str())
    };
    let short = views.iter().filter(|view| view.balance < 0);
    let told = short.map(|view: &LicenseView| {
        let LicenseView { license, purchased, in_use, substituted, balance, .. } = view;
        let covered = if *substituted > 0 {
            format!(", {substituted} of them by a higher tier")
        } else {
            String::new()
        };
        let text = format!(
            "{} of {in_use} in use are covered{covered}: {} too few. Purchase more, transfer some from another \
             virtual account, or use fewer.",
            purchased + substituted,
            -balance
        );
        let subject = format!("{license} in {}", name(view.virtual_account_id));
        (AlertKind::Shortage, subject, text)
    });
    Ok(told.collect())
}

fn endings(tx: &mut Tx<'_>, now: Timestamp, id: SmartAccountId) -> Result<Found, Error> {
    let sql = "SELECT purchase.id, purchase.license, purchase.ends_at,
        CAST(SUM(holding.quantity) AS BIGINT) FROM purchase JOIN holding
        ON holding.smart_account_id = purchase.smart_account_id
        AND holding.purchase_id = purchase.id
        WHERE purchase.smart_account_id = $1 AND purchase.ends_at > $2 AND purchase.ends_at <= $3
        AND holding.quantity <> 0
        GROUP BY purchase.id, purchase.license, purchase.ends_at ORDER BY purchase.id";
    let until = now.0 + EXPIRY_DAYS[EXPIRY_DAYS.len() - 1] * DAY;
    let ending = tx.rows(sql, &[id.into(), now.0.into(), until.into()], |row| {
        Ok::<_, Error>((row.int(0)?, row.text(1)?, row.int(2)?, row.int(3)?))
    })?;
    let told = ending.into_iter().filter_map(|(purchase, license, ends_at, quantity)| {
        let left = ends_at - now.0;
        let days = EXPIRY_DAYS.into_iter().find(|days| left <= days * DAY)?;
        let within = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
        let text = format!(
            "{quantity} x {license} end at {}. Renew them, or see to it that they are not needed.",
            Timestamp(ends_at)
        );
        Some((AlertKind::Expiry, format!("purchase {purchase}, within {within}"), text))
    });
    Ok(told.collect())
}

/// Product instances that are read at a time. Of the supervisors of a switch the active one reports for all (PI-HA-004).
const PIECE: i64 = 1_000;

fn overdue(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (id, part): (SmartAccountId, VirtualAccountId),
    name: &str,
) -> Result<Found, Error> {
    let policies = Policies::read(tx, id, part)?;
    let Some(days_min) = policies.all().filter_map(|policy| asked_days(&policy)).min() else {
        return Ok(Vec::new());
    };
    let sql = "SELECT id, pid, serial, registered_at, last_report_at FROM product_instance
        WHERE smart_account_id = $1 AND virtual_account_id = $2 AND removed_at IS NULL
        AND registered_at < $3 AND COALESCE(last_report_at, registered_at) < $3
        AND (last_report_at IS NULL OR EXISTS (SELECT 1 FROM license_use
        WHERE license_use.smart_account_id = $1
        AND license_use.product_instance_id = product_instance.id AND license_use.count > 0))
        AND NOT EXISTS (SELECT 1 FROM product_instance AS mate
        WHERE mate.ha_set = product_instance.ha_set AND mate.id <> product_instance.id
        AND mate.removed_at IS NULL AND mate.last_report_at >= $3)
        AND NOT EXISTS (SELECT 1 FROM older_registration AS older
        WHERE older.product_instance_id = product_instance.id
        AND (older.trusted_at IS NULL OR older.trusted_at >= $3))
        AND id > $4 ORDER BY id LIMIT $5";
    let since = now.0 - days_min * DAY;
    let named_max = usize::try_from(NAMED_MAX).unwrap_or(usize::MAX);
    let (mut found, mut after) = (Found::new(), InstanceId(0));
    loop {
        let values = [id.into(), part.into(), since.into(), after.into(), PIECE.into()];
        let piece = tx.rows(sql, &values, |row| {
            let udi = rumline_protocol::Udi { pid: row.text(1)?, serial: row.text(2)? };
            Ok::<_, Error>((row.id(0)?, udi, row.int(3)?, row.opt_int(4)?))
        })?;
        let Some((last, ..)) = piece.last() else { return Ok(found) };
        let range = (after, *last);
        after = *last;
        let tags = match policies.has_tags() {
            true => tags_in_use_of(tx, id, range)?,
            false => BTreeMap::new(),
        };
        let none = BTreeSet::new();
        for (instance, udi, registered_at, last) in piece {
            let policy = policies.choose(tags.get(&instance).unwrap_or(&none));
            let policy = policy.map_or_else(Policy::cisco_default, |set| set.policy.clone());
            let Some(days) = asked_days(&policy) else { continue };
            if last.unwrap_or(registered_at) >= now.0 - days * DAY {
                continue;
            }
            if found.len() == named_max {
                let text =
                    format!("More than {NAMED_MAX} product instances of {name} are overdue.");
                found.push((AlertKind::Overdue, format!("product instances of {name}"), text));
                return Ok(found);
            }
            let last = last.map_or("It has never reported".to_owned(), |at| {
                format!("It last reported at {}", Timestamp(at))
            });
            let text = format!(
                "{last}; its policy asks for a report every {days} days. See `show license status` there, or \
                 remove it if it is gone."
            );
            found.push((AlertKind::Overdue, udi.to_string(), text));
        }
    }
}

/// Within how many days a policy has somebody told of a report, if it does.
fn asked_days(policy: &Policy) -> Option<i64> {
    let days = i64::from(policy.longest_days());
    (policy.reporting_ack_required && days > 0).then_some(days)
}

fn gaps(tx: &mut Tx<'_>, now: Timestamp, id: SmartAccountId) -> Result<Found, Error> {
    let sql = "SELECT pid, serial, head_position - head_present FROM product_instance
        WHERE smart_account_id = $1 AND head_position > head_present AND removed_at IS NULL
        AND (COALESCE(requested_at, last_report_at, registered_at) < $2 OR EXISTS (SELECT 1
        FROM alert WHERE alert.smart_account_id = $1 AND alert.kind = 'gap' AND alert.subject =
        'PID:' || product_instance.pid || ',SN:' || product_instance.serial
        AND alert.cleared_at IS NULL)) ORDER BY id LIMIT $3";
    let values = [id.into(), (now.0 - GAP_SECONDS).into(), (NAMED_MAX + 1).into()];
    let mut found: Found = tx.rows(sql, &values, |row| {
        let udi = rumline_protocol::Udi { pid: row.text(0)?, serial: row.text(1)? };
        let text = format!(
            "{} of its reports must have been and are not here; it was asked for them. If it has them no more, \
             `license smart save usage all` there and an upload of that file may bring them.",
            row.int(2)?
        );
        Ok::<_, Error>((AlertKind::Gap, udi.to_string(), text))
    })?;
    if i64::try_from(found.len()).unwrap_or(i64::MAX) > NAMED_MAX {
        found.pop();
        let text = format!("Reports of more than {NAMED_MAX} product instances are missing.");
        found.push((AlertKind::Gap, "product instances".to_owned(), text));
    }
    Ok(found)
}

/// Programs whose secret ends: those of which nobody hears once it has.
fn secrets(tx: &mut Tx<'_>, now: Timestamp) -> Result<Found, Error> {
    let ending = secrets_that_end(tx, now + SECRET_DAYS * DAY, NAMED_MAX)?;
    let told = ending.into_iter().map(|(login, at)| {
        let ends = if at <= now { "has ended" } else { "ends" };
        let text = format!(
            "The secret of this program {ends} at {at}. Renew it and give the program the new one, or remove the \
             program if it is not needed any more."
        );
        (AlertKind::SecretEnds, login, text)
    });
    Ok(told.collect())
}

/// Names under which passwords are tried that are looked at.
const TRIED_MAX: usize = 1_000;

/// Names under which passwords are tried. Those that nobody has anyone may choose: they are told of together, and not by name.
fn failed_logins(tx: &mut Tx<'_>, now: Timestamp) -> Result<Found, Error> {
    let since = now + -FAILED_LOGINS_SECONDS;
    let all = refused_logins(tx, since, FAILED_LOGINS_MIN, TRIED_MAX)?;
    let at_least = if all.len() < TRIED_MAX { "" } else { "At least " };
    let (known, unknown): (Vec<RefusedLogins>, Vec<RefusedLogins>) =
        all.into_iter().partition(|refused| refused.is_known);
    let named_max = usize::try_from(NAMED_MAX).unwrap_or(usize::MAX);
    let is_many = known.len() > named_max;
    let mut found = Found::new();
    for RefusedLogins { login, count, last_at, .. } in known.into_iter().take(named_max) {
        let text = format!(
            "{count} logins with a wrong password within a day, the last at {last_at}. Ask whose it is; if it was \
             somebody else, set another password, or disable it until it is clear. `audit` tells from where."
        );
        found.push((AlertKind::FailedLogins, login, text));
    }
    if is_many {
        let text = format!(
            "Passwords are tried of more than {NAMED_MAX} people and programs; see `audit`."
        );
        found.push((AlertKind::FailedLogins, "many people".to_owned(), text));
    }
    if let Some(last_at) = unknown.iter().map(|refused| refused.last_at).max() {
        let logins: i64 = unknown.iter().map(|refused| refused.count).sum();
        let text = format!(
            "{at_least}{} names that nobody has were tried within a day, {logins} times, the last at {last_at}. \
             `audit --action login` tells which, and from where.",
            unknown.len()
        );
        found.push((AlertKind::FailedLogins, "names that nobody has".to_owned(), text));
    }
    Ok(found)
}

/// Raises what is so, and settles what is so no more.
fn tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    id: SmartAccountId,
    kinds: &[AlertKind],
    found: &Found,
) -> Result<(), Error> {
    for (kind, subject, text) in found {
        alerts::raise_about(tx, now, id, *kind, subject, text)?;
    }
    for kind in kinds.iter().copied() {
        let still: BTreeSet<&str> = found
            .iter()
            .filter(|(of, ..)| *of == kind)
            .map(|(_, subject, _)| subject.as_str())
            .collect();
        for subject in alerts::open_subjects(tx, id, kind)? {
            if !still.contains(subject.as_str()) {
                alerts::clear_about(tx, now, id, kind, &subject)?;
            }
        }
    }
    Ok(())
}
