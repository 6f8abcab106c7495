//! Webhooks: where the owner of an account wants to be told what happens in it, and what waits to be told (the tables
//! `webhook` and `delivery`). What is told is made in the transaction of what it tells of, so that nothing is left out or
//! made up; it is sent again until somebody takes it, and bears its number, by which a receiver knows it again.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;
use rumline_protocol::{Timestamp, base64};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{Act, audit};
use crate::{Actor, Error, People, ScopeId, next_id};

rumline_store::id_types! {
    /// A webhook.
    WebhookId,
    /// Something that is told, or was.
    DeliveryId,
}

/// The tables, for the schema of a server.
pub const WEBHOOK_TABLES: &str = "
CREATE TABLE webhook (
    scope_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    url TEXT NOT NULL,
    kinds TEXT NOT NULL,
    secret BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    waiting BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    PRIMARY KEY (scope_id, id)
);
CREATE TABLE delivery (
    scope_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    webhook_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT,
    status BIGINT,
    problem TEXT NOT NULL,
    delivered_at BIGINT,
    given_up_at BIGINT,
    PRIMARY KEY (scope_id, id)
);
CREATE INDEX delivery_of ON delivery (scope_id, webhook_id, id);
CREATE INDEX delivery_due ON delivery (scope_id, webhook_id, next_at, id)
    WHERE next_at IS NOT NULL;
CREATE INDEX delivery_age ON delivery (made_at, id);
";

/// The index by which the longest log is cut, for the schema of a server.
pub const DELIVERY_NUMBERS: &str = "CREATE INDEX delivery_number ON delivery (id)";

/// Receivers of one account that are told something at a time.
const AT_A_TIME_OF_SCOPE: usize = 2;
/// What somebody may want to be told of.
pub const WEBHOOK_KINDS: [&str; 3] = ["alert", "event", "use"];
/// What somebody is told of who does not say of what: use changes often.
pub const USUAL_WEBHOOK_KINDS: [&str; 2] = ["alert", "event"];
/// What a test is.
const TEST: &str = "test";
/// Webhooks of an account.
const WEBHOOKS_MAX: usize = 20;
/// What waits for one webhook; of more it is only counted that it was lost.
const WAITING_MAX: i64 = 10_000;
/// The longest address, in bytes.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_000;
/// How long a try has before somebody else may make it, in seconds.
const LEASE_SECONDS: i64 = 60;
/// The first wait and the longest, in seconds; in between it doubles.
const WAIT_SECONDS: [i64; 2] = [10, 3_600];
/// So long after it was made it is tried no more.
const TRIED_SECONDS: i64 = 3 * Timestamp::DAY;
/// So long it stays in the log.
const KEPT_SECONDS: i64 = 30 * Timestamp::DAY;
/// And so many in all, of which those that wait stay longer.
const KEPT_MAX: i64 = 1_000_000;
/// What leaves the log at a time.
const PRUNED_AT_A_TIME: i64 = 1_000;
/// Letters of a problem that are kept.
const PROBLEM_LETTERS_MAX: usize = 300;
/// Deliveries that are listed at a time.
const LISTED_MAX: i64 = 1_000;

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Webhook {
    /// Its number.
    pub id: WebhookId,
    /// Where to.
    pub url: String,
    /// Of what.
    pub kinds: Vec<String>,
    /// When it was made.
    pub made_at: i64,
    /// By whom.
    pub made_by: String,
    /// What waits to be taken.
    pub waiting: i64,
    /// What was not told, as too much waited.
    pub lost: i64,
}

/// Something that was told, or waits to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delivery {
    /// Its number, which the receiver is shown.
    pub id: DeliveryId,
    /// Of what it tells.
    pub kind: String,
    /// When it was made.
    pub made_at: i64,
    /// How often it was sent.
    pub tries: i64,
    /// When it is sent next; none once it was taken or given up.
    pub next_at: Option<i64>,
    /// What the receiver answered the last time.
    pub status: Option<i64>,
    /// What went wrong then.
    pub problem: String,
    /// When it was taken.
    pub delivered_at: Option<i64>,
    /// When it was given up.
    pub given_up_at: Option<i64>,
}

/// What is to be sent now.
#[derive(Clone, PartialEq, Eq)]
pub struct Due {
    /// Of which account.
    pub scope_id: ScopeId,
    /// For which webhook.
    pub webhook_id: WebhookId,
    /// Its number.
    pub id: DeliveryId,
    /// Where to.
    pub url: String,
    /// The CloudEvent, as it was made.
    pub body: String,
    secret: Vec<u8>,
}

impl Due {
    /// The headers that it is sent with, at this time: those of Standard Webhooks, with an HMAC-SHA-256 over number, time and
    /// body.
    #[must_use]
    pub fn headers(&self, now: Timestamp) -> [(&'static str, String); 3] {
        let id = self.id.to_string();
        let signature = signature(&self.secret, &id, now, &self.body);
        [
            ("webhook-id", id),
            ("webhook-timestamp", now.0.to_string()),
            ("webhook-signature", signature),
        ]
    }
}

fn signature(secret: &[u8], id: &str, now: Timestamp, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{}.{body}", now.0).as_bytes());
    format!("v1,{}", base64(tag.as_ref()))
}

/// What is told: of which kind, in the account at this path, about what.
#[derive(Clone, Debug)]
pub struct News<'a> {
    /// One of [`WEBHOOK_KINDS`].
    pub kind: &'a str,
    /// Where the account is, e.g. `/smart-accounts/1`.
    pub at: &'a str,
    /// What it is about, if it is one thing.
    pub subject: Option<&'a str>,
    /// What there is to say.
    pub data: Value,
}

/// A CloudEvent (1.0, JSON) of this.
fn cloud_event(now: Timestamp, id: DeliveryId, server: &str, news: &News<'_>) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": id.to_string(),
        "source": format!("{server}{}", news.at),
        "type": format!("rumline.{}", news.kind),
        "time": now.to_string(),
        "datacontenttype": "application/json",
        "data": news.data,
    });
    if let Some(subject) = news.subject {
        event["subject"] = json!(subject);
    }
    event
}

/// The server's name, as it stands in an address.
fn server_name(tx: &mut Tx<'_>) -> Result<String, Error> {
    let name = tx.row("SELECT name FROM identity WHERE one = 1", &[], |row| row.text(0))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    Ok(name.unwrap_or_default().bytes().map(one).collect())
}

/// Tells all who want to know, in the transaction of what is told.
///
/// # Errors
/// When the store fails.
pub fn announce(
    tx: &mut Tx<'_>,
    now: Timestamp,
    scope_id: ScopeId,
    news: &News<'_>,
) -> Result<(), Error> {
    let sql = "SELECT id, kinds, waiting FROM webhook WHERE scope_id = $1 ORDER BY id";
    let all = tx.rows(sql, &[scope_id.into()], |row| {
        Ok::<_, Error>((row.id::<WebhookId>(0)?, row.text(1)?, row.int(2)?))
    })?;
    for (id, kinds, waiting) in all {
        if kinds.split(' ').any(|kind| kind == news.kind) {
            put(tx, now, (scope_id, id), waiting, news)?;
        }
    }
    Ok(())
}

fn put(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (scope_id, id): (ScopeId, WebhookId),
    waiting: i64,
    news: &News<'_>,
) -> Result<(), Error> {
    let whose = [scope_id.into(), id.into()];
    if waiting >= WAITING_MAX {
        let sql = "UPDATE webhook SET lost = lost + 1 WHERE scope_id = $1 AND id = $2";
        tx.execute(sql, &whose)?;
        return Ok(());
    }
    let delivery: DeliveryId = next_id(tx, "delivery")?;
    let server = server_name(tx)?;
    let body = cloud_event(now, delivery, &server, news).to_string();
    let sql = "INSERT INTO delivery (scope_id, id, webhook_id, kind, body, made_at, tries, next_at,
        problem) VALUES ($1, $2, $3, $4, $5, $6, 0, $6, '')";
    let values = [
        scope_id.into(),
        delivery.into(),
        id.into(),
        news.kind.into(),
        (&body).into(),
        now.0.into(),
    ];
    tx.execute(sql, &values)?;
    let sql = "UPDATE webhook SET waiting = waiting + 1 WHERE scope_id = $1 AND id = $2";
    tx.execute(sql, &whose)?;
    Ok(())
}

/// The webhooks of an account that goes, with what waited for them.
pub(crate) fn forget_webhooks(tx: &mut Tx<'_>, scope_id: ScopeId) -> Result<(), Error> {
    for table in ["delivery", "webhook"] {
        tx.execute(&format!("DELETE FROM {table} WHERE scope_id = $1"), &[scope_id.into()])?;
    }
    Ok(())
}

/// The first thing that a webhook is to be told now.
fn first_due(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (scope_id, webhook_id): (ScopeId, WebhookId),
) -> Result<Option<DeliveryId>, Error> {
    let sql = "SELECT id FROM delivery WHERE scope_id = $1 AND webhook_id = $2
        AND next_at IS NOT NULL AND next_at <= $3 ORDER BY next_at, id LIMIT 1";
    let values = [scope_id.into(), webhook_id.into(), now.0.into()];
    Ok(tx.row(sql, &values, |row| row.id(0))?)
}

fn due_of(
    tx: &mut Tx<'_>,
    (scope_id, webhook_id): (ScopeId, WebhookId),
    id: DeliveryId,
) -> Result<Option<Due>, Error> {
    let sql = "SELECT webhook.url, delivery.body, webhook.secret FROM delivery JOIN webhook
        ON webhook.scope_id = delivery.scope_id AND webhook.id = delivery.webhook_id
        WHERE delivery.scope_id = $1 AND delivery.id = $2";
    tx.row(sql, &[scope_id.into(), id.into()], |row| {
        let (url, body, secret) = (row.text(0)?, row.text(1)?, row.bytes(2)?);
        Ok(Due { scope_id, webhook_id, id, url, body, secret })
    })
}

/// What is old leaves the log, a part at a time, and so does what makes it too long.
fn prune(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    let newest = tx.last_number("delivery")?;
    let bounds = [("made_at", (now + -KEPT_SECONDS).0), ("id", newest.saturating_sub(KEPT_MAX))];
    for (column, bound) in bounds {
        let sql = format!(
            "DELETE FROM delivery WHERE (scope_id, id) IN (SELECT scope_id, id FROM delivery
            WHERE {column} < $1 AND next_at IS NULL ORDER BY {column}, id LIMIT $2)"
        );
        tx.execute(&sql, &[bound.into(), PRUNED_AT_A_TIME.into()])?;
    }
    Ok(())
}

fn webhook_at(row: &Row<'_>) -> Result<Webhook, Error> {
    Ok(Webhook {
        id: row.id(0)?,
        url: row.text(1)?,
        kinds: row.text(2)?.split(' ').map(str::to_owned).collect(),
        made_at: row.int(3)?,
        made_by: row.text(4)?,
        waiting: row.int(5)?,
        lost: row.int(6)?,
    })
}

fn all_of(tx: &mut Tx<'_>, scope_id: ScopeId) -> Result<Vec<Webhook>, Error> {
    let sql = "SELECT id, url, kinds, made_at, made_by, waiting, lost FROM webhook
        WHERE scope_id = $1 ORDER BY id";
    tx.rows(sql, &[scope_id.into()], webhook_at)
}

fn one_of(tx: &mut Tx<'_>, scope_id: ScopeId, id: WebhookId) -> Result<Webhook, Error> {
    let found = all_of(tx, scope_id)?.into_iter().find(|one| one.id == id);
    found.ok_or(Error::NotFound("webhook"))
}

/// Kinds that are known, each once; none named is the usual ones.
fn checked_kinds(kinds: &[String]) -> Result<String, Error> {
    if let Some(wrong) = kinds.iter().find(|kind| !WEBHOOK_KINDS.contains(&kind.as_str())) {
        let known = WEBHOOK_KINDS.join(", ");
        let wrong: String = wrong.chars().take(100).collect();
        return Err(Error::field("kinds", format!("a kind is one of {known}, not {wrong:?}")));
    }
    let wanted = |kind: &&&str| match kinds {
        [] => USUAL_WEBHOOK_KINDS.contains(*kind),
        _ => kinds.iter().any(|own| own == **kind),
    };
    Ok(WEBHOOK_KINDS.iter().filter(wanted).copied().collect::<Vec<_>>().join(" "))
}

impl People {
    /// The webhooks of an account.
    ///
    /// # Errors
    /// When the store fails.
    pub fn webhooks(&self, scope_id: ScopeId) -> Result<Vec<Webhook>, Error> {
        self.db.read("webhooks.list", move |tx| all_of(tx, scope_id))
    }

    /// Makes one; the secret by which what it is told is signed is answered here and never again. That the address is one
    /// that may be told is the caller's to check.
    ///
    /// # Errors
    /// When a value is not acceptable, or there are too many.
    pub fn create_webhook(
        &self,
        now: Timestamp,
        actor: &Actor,
        scope_id: ScopeId,
        url: &str,
        kinds: &[String],
    ) -> Result<(Webhook, String), Error> {
        if url.len() > WEBHOOK_URL_BYTES_MAX {
            return Err(Error::field("url", "the address of a webhook has at most 2,000 bytes"));
        }
        let kinds = checked_kinds(kinds)?;
        let mut secret = vec![0; 32];
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(&mut secret);
        let told = format!("whsec_{}", base64(&secret));
        let (actor, url) = (actor.clone(), url.to_owned());
        let made = self.db.write("webhooks.create", move |tx| {
            if all_of(tx, scope_id)?.len() >= WEBHOOKS_MAX {
                return Err(Error::invalid("an account has at most 20 webhooks: remove one first"));
            }
            let id: WebhookId = next_id(tx, "webhook")?;
            let sql = "INSERT INTO webhook (scope_id, id, url, kinds, secret, made_at, made_by,
                waiting, lost) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)";
            let values = [
                scope_id.into(),
                id.into(),
                (&url).into(),
                (&kinds).into(),
                (&secret).into(),
                now.0.into(),
                actor.name().into(),
            ];
            tx.execute(sql, &values)?;
            let act = Act::new("webhook made", &url).within(scope_id);
            audit(tx, now, &actor, &act.changing(None, Some(&kinds)))?;
            one_of(tx, scope_id, id)
        })?;
        Ok((made, told))
    }

    /// Removes one, with what waited for it.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_webhook(
        &self,
        now: Timestamp,
        actor: &Actor,
        scope_id: ScopeId,
        id: WebhookId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("webhooks.remove", move |tx| {
            let was = one_of(tx, scope_id, id)?;
            let whose = [scope_id.into(), id.into()];
            let sql = "DELETE FROM delivery WHERE scope_id = $1 AND webhook_id = $2";
            tx.execute(sql, &whose)?;
            tx.execute("DELETE FROM webhook WHERE scope_id = $1 AND id = $2", &whose)?;
            let act = Act::new("webhook removed", &was.url).within(scope_id);
            audit(tx, now, &actor, &act.changing(Some(&was.kinds.join(" ")), None))
        })
    }

    /// Tells a webhook something that means nothing: one at a time.
    ///
    /// # Errors
    /// When there is none, or a test or too much waits for it.
    pub fn test_webhook(
        &self,
        now: Timestamp,
        actor: &Actor,
        (scope_id, at): (ScopeId, &str),
        id: WebhookId,
    ) -> Result<(), Error> {
        let (actor, at) = (actor.clone(), at.to_owned());
        self.db.write("webhooks.test", move |tx| {
            let Webhook { url, waiting, .. } = one_of(tx, scope_id, id)?;
            let sql = "SELECT id FROM delivery WHERE scope_id = $1 AND webhook_id = $2
                AND next_at IS NOT NULL AND kind = $3 LIMIT 1";
            let values = [scope_id.into(), id.into(), TEST.into()];
            if tx.row(sql, &values, |row| row.int(0))?.is_some() {
                let text = "a test waits for this webhook already";
                return Err(Error::Conflict(text.to_owned()));
            }
            if waiting >= WAITING_MAX {
                let text = "10,000 deliveries wait for this webhook already";
                return Err(Error::Conflict(text.to_owned()));
            }
            audit(tx, now, &actor, &Act::new("webhook tested", &url).within(scope_id))?;
            let data = json!({ "by": actor.name() });
            let news = News { kind: TEST, at: &at, subject: None, data };
            put(tx, now, (scope_id, id), waiting, &news)
        })
    }

    /// What was told to a webhook of late and what waits, newest first.
    ///
    /// # Errors
    /// When there is none.
    pub fn deliveries(
        &self,
        scope_id: ScopeId,
        id: WebhookId,
        before: Option<i64>,
    ) -> Result<Vec<Delivery>, Error> {
        self.db.read("webhooks.deliveries", move |tx| {
            one_of(tx, scope_id, id)?;
            let sql = "SELECT id, kind, made_at, tries, next_at, status, problem, delivered_at,
                given_up_at FROM delivery WHERE scope_id = $1 AND webhook_id = $2 AND id < $3
                ORDER BY id DESC LIMIT $4";
            let before = before.unwrap_or(i64::MAX);
            let values = [scope_id.into(), id.into(), before.into(), LISTED_MAX.into()];
            tx.rows(sql, &values, |row| {
                Ok(Delivery {
                    id: row.id(0)?,
                    kind: row.text(1)?,
                    made_at: row.int(2)?,
                    tries: row.int(3)?,
                    next_at: row.opt_int(4)?,
                    status: row.opt_int(5)?,
                    problem: row.text(6)?,
                    delivered_at: row.opt_int(7)?,
                    given_up_at: row.opt_int(8)?,
                })
            })
        })
    }

    /// What is to be sent now, at most one thing for each webhook that is not busy, and so many in all; nobody else sends it
    /// within a minute. What is old leaves the log.
    ///
    /// # Errors
    /// When the store fails.
    pub fn due_deliveries(
        &self,
        now: Timestamp,
        most: usize,
        busy: &BTreeSet<(ScopeId, WebhookId)>,
    ) -> Result<Vec<Due>, Error> {
        let busy = busy.clone();
        let found = self.db.read("webhooks.look", move |tx| {
            let sql = "SELECT scope_id, id FROM webhook WHERE waiting > 0 ORDER BY scope_id, id";
            let all: Vec<(ScopeId, WebhookId)> =
                tx.rows(sql, &[], |row| Ok::<_, Error>((row.id(0)?, row.id(1)?)))?;
            let mut due = Vec::new();
            for whose in all.into_iter().filter(|whose| !busy.contains(whose)) {
                if let Some(id) = first_due(tx, now, whose)? {
                    due.push((whose, id));
                }
            }
            // Those that wait longest go first.
            due.sort_by_key(|(_, id)| *id);
            // No account takes all places from the others, however slow its receivers are.
            let mut of_scope: BTreeMap<ScopeId, usize> = BTreeMap::new();
            for (scope_id, _) in &busy {
                *of_scope.entry(*scope_id).or_default() += 1;
            }
            due.retain(|((scope_id, _), _)| {
                let count = of_scope.entry(*scope_id).or_default();
                *count += 1;
                *count <= AT_A_TIME_OF_SCOPE
            });
            due.truncate(most);
            Ok::<_, Error>(due)
        })?;
        // Nothing is written while nothing is due.
        if found.is_empty() {
            return Ok(Vec::new());
        }
        self.db.write("webhooks.due", move |tx| {
            prune(tx, now)?;
            let mut taken = Vec::new();
            for (whose, _) in &found {
                // Another process may have been here.
                let Some(id) = first_due(tx, now, *whose)? else { continue };
                let sql = "UPDATE delivery SET tries = tries + 1, next_at = $1
                    WHERE scope_id = $2 AND id = $3";
                let next = now + LEASE_SECONDS;
                tx.execute(sql, &[next.0.into(), whose.0.into(), id.into()])?;
                taken.extend(due_of(tx, *whose, id)?);
            }
            Ok(taken)
        })
    }

    /// What became of one that was sent: the status that was answered, if one was, and what was wrong, if something was. It is
    /// sent again later, up to three days after it was made.
    ///
    /// # Errors
    /// When the store fails.
    pub fn delivery_done(
        &self,
        now: Timestamp,
        (scope_id, id): (ScopeId, DeliveryId),
        status: Option<u16>,
        problem: Option<&str>,
    ) -> Result<(), Error> {
        let letters = |text: &str| -> String {
            let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
            plain.take(PROBLEM_LETTERS_MAX).collect()
        };
        let (is_taken, problem) = (problem.is_none(), problem.map(letters).unwrap_or_default());
        self.db.write("webhooks.done", move |tx| {
            let sql = "SELECT webhook_id, made_at, tries FROM delivery
                WHERE scope_id = $1 AND id = $2 AND next_at IS NOT NULL";
            let found = tx.row(sql, &[scope_id.into(), id.into()], |row| {
                Ok::<_, Error>((row.id::<WebhookId>(0)?, row.int(1)?, row.int(2)?))
            })?;
            // Its webhook was removed meanwhile, or somebody else has brought it.
            let Some((webhook, made_at, tries)) = found else { return Ok(()) };
            let [first, longest] = WAIT_SECONDS;
            let wait = (first << (tries - 1).clamp(0, 20)).min(longest);
            let is_over = is_taken || now.0 + wait > made_at + TRIED_SECONDS;
            let ended = Some(now.0);
            let sql = "UPDATE delivery SET next_at = $1, status = $2, problem = $3,
                delivered_at = $4, given_up_at = $5 WHERE scope_id = $6 AND id = $7";
            let values = [
                (!is_over).then_some(now.0 + wait).into(),
                status.map(i64::from).into(),
                (&problem).into(),
                ended.filter(|_| is_taken).into(),
                ended.filter(|_| is_over && !is_taken).into(),
                scope_id.into(),
                id.into(),
            ];
            tx.execute(sql, &values)?;
            if is_over {
                let sql =
                    "UPDATE webhook SET waiting = waiting - 1 WHERE scope_id = $1 AND id = $2";
                tx.execute(sql, &[scope_id.into(), webhook.into()])?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_signed_as_standard_webhooks_has_it() {
        // Computed with another program: hmac.new(b"secret", b"7.1700000000.{}", sha256)
        let told = signature(b"secret", "7", Timestamp(1_700_000_000), "{}");
        assert_eq!(told, "v1,0eEyx6zk2UvCa7JQXxUo+wvtA9MSyNErw7FMbYPJYK4=");
        let due = Due {
            scope_id: ScopeId(1),
            webhook_id: WebhookId(1),
            id: DeliveryId(7),
            url: String::new(),
            body: "{}".to_owned(),
            secret: b"secret".to_vec(),
        };
        let headers = due.headers(Timestamp(1_700_000_000));
        let expected = [("webhook-id", "7"), ("webhook-timestamp", "1700000000")];
        for (found, expected) in headers.iter().zip(expected) {
            assert_eq!((found.0, found.1.as_str()), expected);
        }
        assert_eq!(headers[2].1, told);
    }

    #[test]
    fn kinds_are_known_and_none_is_the_usual_ones() {
        let kinds = |all: &[&str]| {
            checked_kinds(&all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(kinds(&[]).unwrap(), "alert event");
        assert_eq!(kinds(&["event", "event"]).unwrap(), "event");
        assert_eq!(kinds(&["use", "alert"]).unwrap(), "alert use");
        for wrong in ["", "test", "alert event", "Alert"] {
            assert!(kinds(&[wrong]).is_err(), "{wrong}");
        }
    }
}
