//! A smart account is merged into another one (CSSM-002): its virtual accounts become the other's, with all they have and all
//! that was in them. Their numbers stay, so that what is kept of them stays right as it is.

use rumline_protocol::Timestamp;
use rumline_server::{NAME_LETTERS_MAX, regrant};
use rumline_store::Tx;

use crate::accounts::{SmartAccount, add_event, smart_account};
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::policies::{next_version, tags_that_differ};
use crate::renaming::names_changed;
use crate::{Actor, Cssm, Error, claims, watch};

/// What belongs to a smart account by its number, its virtual accounts apart.
const TABLES: [&str; 16] = [
    "registration_token",
    "product_instance",
    "license_use",
    "purchase",
    "book_entry",
    "holding",
    "usage_file",
    "set_aside",
    "claim",
    "alert",
    "account_event",
    "use_day",
    "use_total",
    "instance_total",
    "collector",
    "job",
];

/// What has to end before: each a question that finds a row, and what to say then.
const BEFORE: [(&str, &str); 3] = [
    (
        "SELECT id FROM collector WHERE smart_account_id = $1 AND removed_at IS NULL LIMIT 1",
        "has collectors, which speak for it by its name: remove them first",
    ),
    (
        "SELECT id FROM usage_file WHERE smart_account_id = $1 AND status = 'Processing' LIMIT 1",
        "has usage files that are being taken in: wait for them",
    ),
    (
        "SELECT id FROM job WHERE smart_account_id = $1 AND state = 'running' LIMIT 1",
        "has jobs that go on: wait for them, or cancel them",
    ),
];

/// The name of a virtual account that comes from elsewhere: its own, or one nobody there has.
fn free_name(taken: &[String], name: &str, from: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 1;
    while taken.contains(&free) {
        let short = |text: &str, letters| text.chars().take(letters).collect::<String>();
        let from = short(from, NAME_LETTERS_MAX / 2);
        let origin = match number {
            1 => format!(" ({from})"),
            number => format!(" ({from} {number})"),
        };
        free = short(name, NAME_LETTERS_MAX - origin.chars().count()) + &origin;
        number += 1;
    }
    free
}

fn names(tx: &mut Tx<'_>, id: SmartAccountId) -> Result<Vec<(VirtualAccountId, String)>, Error> {
    let sql = "SELECT id, name FROM virtual_account WHERE smart_account_id = $1 ORDER BY id";
    tx.rows(sql, &[id.into()], |row| Ok((row.id(0)?, row.text(1)?)))
}

/// Policies go along: one that held in a whole smart account holds in each of its virtual accounts that has none. All of it is
/// newer than what any product instance has, whatever the accounts were and will be called.
fn move_policies(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (from, into): (SmartAccountId, SmartAccountId),
    parts: &[(VirtualAccountId, String)],
) -> Result<(), Error> {
    let version = next_version(tx, now, from)?.max(next_version(tx, now, into)?);
    for (part, _) in parts {
        let sql = "INSERT INTO policy (smart_account_id, virtual_account_id, changed_at, body,
            lifetime_days) SELECT $2, $3, $4, body, lifetime_days FROM policy
            WHERE smart_account_id = $1 AND virtual_account_id IN (0, $3) AND body <> ''
            ORDER BY virtual_account_id DESC LIMIT 1";
        let values = [from.into(), into.into(), (*part).into(), version.into()];
        if tx.execute(sql, &values)? == 0 {
            let sql = "INSERT INTO policy (smart_account_id, virtual_account_id, changed_at, body)
                VALUES ($1, $2, $3, '')";
            tx.execute(sql, &values[1..])?;
        }
    }
    tx.execute("DELETE FROM policy WHERE smart_account_id = $1", &[from.into()])?;
    tx.execute("DELETE FROM tag_policy WHERE smart_account_id = $1", &[from.into()])?;
    Ok(())
}

/// The reports of the product instances that are here, and those that counted here of such as are elsewhere now. What one of
/// these said in vain stays with the account that is closed.
fn move_reports(
    tx: &mut Tx<'_>,
    (from, into): (SmartAccountId, SmartAccountId),
    parts: &[(VirtualAccountId, String)],
) -> Result<(), Error> {
    let sql = "UPDATE rum_report SET smart_account_id = $2 WHERE smart_account_id = $1
        AND product_instance_id IN (SELECT id FROM product_instance WHERE smart_account_id = $1)";
    tx.execute(sql, &[from.into(), into.into()])?;
    for (part, _) in parts {
        let sql = "UPDATE rum_report SET smart_account_id = $2 WHERE smart_account_id = $1
            AND virtual_account_id = $3 AND counted_to IS NOT NULL";
        tx.execute(sql, &[from.into(), into.into(), (*part).into()])?;
    }
    Ok(())
}

fn join(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    (from, into): (SmartAccountId, SmartAccountId),
) -> Result<SmartAccount, Error> {
    let (source, target) = (smart_account(tx, from)?, smart_account(tx, into)?);
    if from == into {
        return Err(Error::field("smart_account_id", "a smart account is merged into another one"));
    }
    for (sql, why) in BEFORE {
        if tx.row(sql, &[from.into()], |row| row.int(0))?.is_some() {
            return Err(Error::Conflict(format!("{:?} {why}", source.name)));
        }
    }
    let differing = tags_that_differ(tx, from, into)?;
    if !differing.is_empty() {
        let text = format!(
            "{:?} has policies of licenses that {:?} has not, or has otherwise: {}; set the same there, or take \
             them back first",
            source.name,
            target.name,
            differing.join(", ")
        );
        return Err(Error::Conflict(text));
    }
    let parts = names(tx, from)?;
    let mut taken: Vec<String> = names(tx, into)?.into_iter().map(|(_, name)| name).collect();
    for (part, name) in &parts {
        let name = free_name(&taken, name, &source.name);
        let sql = "UPDATE virtual_account SET smart_account_id = $2, name = $4
            WHERE smart_account_id = $1 AND id = $3";
        tx.execute(sql, &[from.into(), into.into(), (*part).into(), (&name).into()])?;
        taken.push(name);
    }
    // Each is given a trust code that says where it is now.
    names_changed(tx, from, None)?;
    move_policies(tx, now, (from, into), &parts)?;
    move_reports(tx, (from, into), &parts)?;
    watch::forget(tx, now, from)?;
    for table in TABLES {
        let sql = format!("UPDATE {table} SET smart_account_id = $2 WHERE smart_account_id = $1");
        tx.execute(&sql, &[from.into(), into.into()])?;
    }
    claims::joined(tx, now, into)?;
    let name = format!("{} (closed {from})", source.name);
    let sql = "UPDATE smart_account SET closed_at = $1, name = $2 WHERE id = $3";
    tx.execute(sql, &[now.0.into(), (&name).into(), from.into()])?;
    let text = format!("smart account {:?} merged into {:?}", source.name, target.name);
    add_event(tx, now, into, actor, &text)?;
    let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND closed_at IS NULL";
    let open: Vec<VirtualAccountId> = tx.rows(sql, &[into.into()], |row| row.id(0))?;
    // Nobody needs a role for what is closed.
    let parts = parts.into_iter().map(|(part, _)| part).filter(|part| open.contains(part));
    let parts: Vec<_> = parts.map(Into::into).collect();
    regrant(tx, now, actor, (from.into(), into.into()), &parts)?;
    smart_account(tx, into)
}

impl Cssm {
    /// Merges a smart account into another one, in one transaction: others wait meanwhile.
    ///
    /// # Errors
    /// When there is no such account, or something that belongs to it by its name goes on.
    pub fn merge_smart_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        from: SmartAccountId,
        into: SmartAccountId,
    ) -> Result<SmartAccount, Error> {
        let actor = actor.clone();
        self.db
            .write("accounts.join", move |tx| join(tx, now, &actor, (from, into)))
            .inspect(|_| self.forget_standing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_says_where_it_comes_from() {
        let taken = ["Default", "Lab", "Lab (Other)"].map(str::to_owned);
        assert_eq!(free_name(&taken, "Branch", "Other"), "Branch");
        assert_eq!(free_name(&taken, "Default", "Other"), "Default (Other)");
        assert_eq!(free_name(&taken, "Lab", "Other"), "Lab (Other 2)");
        let long = "ä".repeat(100);
        let (free, from) = (free_name(std::slice::from_ref(&long), &long, &long), "ä".repeat(50));
        assert_eq!(free.chars().count(), 100);
        assert!(free.ends_with(&format!(" ({from})")), "{free}");
    }
}
