//! Who wants to be told of alerts by e-mail, and the messages that wait to be sent (CSSM-007, G-19). A message is made in the
//! transaction that notes what was told, so that no alert is left out or told twice, and it is sent until a server takes it.

use std::collections::BTreeSet;

use rumline_protocol::Timestamp;
use rumline_server::{Act, Action, Actor, Caller, audit, next_id};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alerts::SERVER;
use crate::ids::SmartAccountId;
use crate::mail::{self, MailAlert, MailTemplate, MailWish, Message, Pace};
use crate::{Cssm, Error};

/// Open alerts of an account that are looked at for messages, the newest.
const OPEN_MAX: i64 = 1_000;
/// Messages in a list.
const LISTED_MAX: i64 = 1_000;
/// So long after a message was made it is tried no more.
const TRIED_SECONDS: i64 = 3 * Timestamp::DAY;
/// The longest wait between two tries.
const WAIT_SECONDS_MAX: i64 = 3_600;
/// So long messages are kept.
const KEPT_SECONDS: i64 = 30 * Timestamp::DAY;
/// A second test is refused so long.
const TEST_SECONDS: i64 = 60;
/// What is kept of what a mail server said, in characters.
const PROBLEM_LETTERS_MAX: usize = 300;

/// A message as its list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailView {
    /// Its number.
    pub id: i64,
    /// Whom it is for.
    pub login: String,
    /// Where to.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// When it was made.
    pub made_at: i64,
    /// How often it was tried to be sent.
    pub tries: i64,
    /// When it is tried next.
    pub next_at: i64,
    /// What went wrong the last time.
    pub problem: String,
    /// When a mail server took it.
    pub sent_at: Option<i64>,
    /// When it was given up.
    pub given_up_at: Option<i64>,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number.
    pub id: i64,
    /// Where to.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its body.
    pub body: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Somebody who wants to be told, and what was.
struct Wished {
    login: String,
    wish: MailWish,
    told_id: i64,
    told_at: Timestamp,
}

impl Wished {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        let kinds = row.text(2)?;
        let kinds = kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect();
        let pace = if row.text(3)? == DAILY { Pace::Daily } else { Pace::AtOnce };
        Ok(Self {
            login: row.text(0)?,
            wish: MailWish { address: row.text(1)?, kinds, pace },
            told_id: row.int(4)?,
            told_at: Timestamp(row.int(5)?),
        })
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let day = |at: Timestamp| at.0.div_euclid(Timestamp::DAY);
        self.wish.pace == Pace::AtOnce || day(now) != day(self.told_at)
    }
}

const DAILY: &str = "daily";

fn pace_name(pace: Pace) -> &'static str {
    match pace {
        Pace::AtOnce => "at once",
        Pace::Daily => DAILY,
    }
}

/// The columns of a wish, of those who may log in: a name that somebody else has now gets nothing.
const WISHES: &str = "SELECT mail_wish.login, mail_wish.address, mail_wish.kinds, mail_wish.pace,
    mail_wish.told_alert_id, mail_wish.told_at FROM mail_wish JOIN person
    ON person.login = mail_wish.login AND person.created_at = mail_wish.person_created_at
    AND person.disabled_at IS NULL";

fn wish_of(tx: &mut Tx<'_>, login: &str) -> Result<Option<MailWish>, Error> {
    let sql = format!("{WISHES} WHERE mail_wish.login = $1");
    Ok(tx.row(&sql, &[login.into()], Wished::read)?.map(|wished| wished.wish))
}

fn told(wish: Option<&MailWish>) -> Option<String> {
    wish.map(|MailWish { address, kinds, pace }| {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let kinds = if kinds.is_empty() { "all".to_owned() } else { kinds.join(", ") };
        format!("{} to {address}: {kinds}", pace_name(*pace))
    })
}

fn template(tx: &mut Tx<'_>) -> Result<MailTemplate, Error> {
    let body = tx.row("SELECT body FROM mail_template WHERE id = 1", &[], |row| row.text(0))?;
    body.map_or(Ok(MailTemplate::default()), |body| {
        serde_json::from_str(&body).map_err(|_| Error::invalid("the stored template is damaged"))
    })
}

/// Alerts that are open, of each account the newest.
struct Open {
    /// Oldest first.
    alerts: Vec<(SmartAccountId, MailAlert)>,
    /// Accounts that have more.
    not_all: BTreeSet<SmartAccountId>,
}

fn open_alerts(tx: &mut Tx<'_>) -> Result<Open, Error> {
    let sql = "SELECT id, name FROM smart_account WHERE closed_at IS NULL ORDER BY id";
    let mut accounts: Vec<(SmartAccountId, String)> =
        tx.rows(sql, &[], |row| Ok::<_, Error>((row.id(0)?, row.text(1)?)))?;
    accounts.push((SERVER, "the whole server".to_owned()));
    let mut open = Open { alerts: Vec::new(), not_all: BTreeSet::new() };
    for (of, name) in accounts {
        let sql = "SELECT id, kind, subject, text, raised_at FROM alert
            WHERE smart_account_id = $1 AND cleared_at IS NULL ORDER BY id DESC LIMIT $2";
        let found = tx.rows(sql, &[of.into(), OPEN_MAX.into()], |row| {
            let alert = MailAlert {
                id: row.int(0)?,
                kind: row.text(1)?,
                subject: row.text(2)?,
                text: row.text(3)?,
                raised_at: Timestamp(row.int(4)?),
                account: name.clone(),
            };
            Ok::<_, Error>((of, alert))
        })?;
        if i64::try_from(found.len()).unwrap_or(OPEN_MAX) >= OPEN_MAX {
            open.not_all.insert(of);
        }
        open.alerts.extend(found);
    }
    open.alerts.sort_by_key(|(_, alert)| alert.id);
    Ok(open)
}

/// Whether somebody sees the alerts of an account, or of the whole server.
fn sees(caller: &Caller, of: SmartAccountId) -> bool {
    if of == SERVER {
        return caller.may_at_all(Action::AdministerAll).is_ok();
    }
    caller.may(Action::View, of.into(), None).is_ok()
}

/// Accounts as they are kept with a message: whoever sees one of them no more does not get it.
fn accounts_text(accounts: &BTreeSet<SmartAccountId>) -> String {
    accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn put_mail(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (login, address): (&str, &str),
    message: &Message,
    accounts: &BTreeSet<SmartAccountId>,
) -> Result<i64, Error> {
    let id: i64 = next_id(tx, "mail")?;
    let sql = "INSERT INTO mail (id, login, address, subject, body, made_at, next_at, accounts)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";
    let accounts = accounts_text(accounts);
    let values = [
        id.into(),
        login.into(),
        address.into(),
        (&message.subject).into(),
        (&message.body).into(),
        now.0.into(),
        (&accounts).into(),
    ];
    tx.execute(sql, &values)?;
    Ok(id)
}

/// What was told to somebody from now on; not so if somebody else told it meanwhile.
fn note_told(tx: &mut Tx<'_>, now: Timestamp, wished: &Wished, id: i64) -> Result<bool, Error> {
    let sql = "UPDATE mail_wish SET told_alert_id = $1, told_at = $2
        WHERE login = $3 AND told_alert_id = $4 AND told_at = $5 AND address = $6";
    let values = [
        id.into(),
        now.0.into(),
        (&wished.login).into(),
        wished.told_id.into(),
        wished.told_at.0.into(),
        (&wished.wish.address).into(),
    ];
    Ok(tx.execute(sql, &values)? > 0)
}

impl Cssm {
    /// What somebody wants to be told of by e-mail, if anything.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mail_wish(&self, login: &str) -> Result<Option<MailWish>, Error> {
        let login = login.to_owned();
        self.db.read("mail.wish", move |tx| wish_of(tx, &login))
    }

    /// Somebody wants to be told of alerts by e-mail: of those from now on, if of none before.
    ///
    /// # Errors
    /// When the address or a kind of alert is none.
    pub fn set_mail_wish(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        wish: &MailWish,
    ) -> Result<(), Error> {
        wish.check()?;
        let (login, wish, actor) = (login.to_owned(), wish.clone(), actor.clone());
        self.db.write("mail.set", move |tx| {
            let sql = "SELECT created_at FROM person WHERE login = $1";
            let created_at = tx.row(sql, &[(&login).into()], |row| row.int(0))?;
            let created_at = created_at.ok_or(Error::NotFound("person"))?;
            let before = wish_of(tx, &login)?;
            let newest = tx.last_number("alert")?;
            let kinds: Vec<&str> = wish.kinds.iter().map(String::as_str).collect();
            let kinds = kinds.join(",");
            if before.is_none() {
                tx.execute("DELETE FROM mail_wish WHERE login = $1", &[(&login).into()])?;
            }
            let sql = "INSERT INTO mail_wish (login, person_created_at, address, kinds, pace,
                told_alert_id, told_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (login)
                DO UPDATE SET address = excluded.address, kinds = excluded.kinds,
                pace = excluded.pace";
            let values = [
                (&login).into(),
                created_at.into(),
                (&wish.address).into(),
                (&kinds).into(),
                pace_name(wish.pace).into(),
                newest.into(),
                now.0.into(),
            ];
            tx.execute(sql, &values)?;
            // What waits goes where it is wanted now, at once.
            let sql = "UPDATE mail SET address = $1, next_at = $2 WHERE login = $3
                AND address <> $1 AND sent_at IS NULL AND given_up_at IS NULL";
            tx.execute(sql, &[(&wish.address).into(), now.0.into(), (&login).into()])?;
            let (was, becomes) = (told(before.as_ref()), told(Some(&wish)));
            let act = Act::new("e-mail set", &login);
            audit(tx, now, &actor, &act.changing(was.as_deref(), becomes.as_deref()))
        })
    }

    /// Somebody wants to be told of nothing by e-mail any more; what waits to be sent to them goes.
    ///
    /// # Errors
    /// When they did not want it before.
    pub fn remove_mail_wish(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
    ) -> Result<(), Error> {
        let (login, actor) = (login.to_owned(), actor.clone());
        self.db.write("mail.remove", move |tx| {
            let before = wish_of(tx, &login)?.ok_or(Error::NotFound("e-mail address"))?;
            tx.execute("DELETE FROM mail_wish WHERE login = $1", &[(&login).into()])?;
            let sql = "DELETE FROM mail WHERE login = $1 AND sent_at IS NULL
                AND given_up_at IS NULL";
            tx.execute(sql, &[(&login).into()])?;
            let was = told(Some(&before));
            let act = Act::new("e-mail removed", &login).changing(was.as_deref(), None);
            audit(tx, now, &actor, &act)
        })
    }

    /// A message that says only that it arrives.
    ///
    /// # Errors
    /// When there is no address, or one was made a moment ago.
    pub fn test_mail(&self, now: Timestamp, login: &str, server: &str) -> Result<i64, Error> {
        let (login, server) = (login.to_owned(), server.to_owned());
        self.db.write("mail.test", move |tx| {
            let wish = wish_of(tx, &login)?.ok_or(Error::NotFound("e-mail address"))?;
            let sql = "SELECT made_at FROM mail WHERE login = $1 ORDER BY id DESC LIMIT 1";
            let last = tx.row(sql, &[(&login).into()], |row| row.int(0))?;
            if last.is_some_and(|at| (0..TEST_SECONDS).contains(&(now.0 - at))) {
                let text = "a message to you was made within the last minute: wait for it first";
                return Err(Error::Conflict(text.to_owned()));
            }
            let message = Message {
                subject: "Rumline CSSM: a test".to_owned(),
                body: format!("Alerts for {login} at {server} will arrive like this message.\n"),
            };
            put_mail(tx, now, (&login, &wish.address), &message, &BTreeSet::new())
        })
    }

    /// What messages look like.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mail_template(&self) -> Result<MailTemplate, Error> {
        self.db.read("mail.template", template)
    }

    /// Gives messages another look; none returns to the one there was at first.
    ///
    /// # Errors
    /// When a word of it stands for nothing.
    pub fn set_mail_template(
        &self,
        now: Timestamp,
        actor: &Actor,
        new: Option<&MailTemplate>,
    ) -> Result<(), Error> {
        new.map_or(Ok(()), MailTemplate::check)?;
        let json = |template: &MailTemplate| {
            serde_json::to_string(template).expect("a template always serialises")
        };
        let (body, actor) = (new.map(json), actor.clone());
        self.db.write("mail.settemplate", move |tx| {
            let before = json(&template(tx)?);
            tx.execute("DELETE FROM mail_template WHERE id = 1", &[])?;
            if let Some(body) = &body {
                let sql = "INSERT INTO mail_template (id, body) VALUES (1, $1)";
                tx.execute(sql, &[body.into()])?;
            }
            let act = Act::new("e-mail template set", "").changing(Some(&before), body.as_deref());
            audit(tx, now, &actor, &act)
        })
    }

    /// The messages of late, newest first: those with a smaller number than `before`, if it is given.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mail(&self, before: Option<i64>) -> Result<Vec<MailView>, Error> {
        self.db.read("mail.list", move |tx| {
            let sql = "SELECT id, login, address, subject, made_at, tries, problem, sent_at,
                given_up_at, next_at FROM mail WHERE id < $1 ORDER BY id DESC LIMIT $2";
            let values = [before.unwrap_or(i64::MAX).into(), LISTED_MAX.into()];
            tx.rows(sql, &values, |row| {
                Ok(MailView {
                    id: row.int(0)?,
                    login: row.text(1)?,
                    address: row.text(2)?,
                    subject: row.text(3)?,
                    made_at: row.int(4)?,
                    tries: row.int(5)?,
                    problem: row.text(6)?,
                    sent_at: row.opt_int(7)?,
                    given_up_at: row.opt_int(8)?,
                    next_at: row.int(9)?,
                })
            })
        })
    }

    /// Makes the messages that are due; `server` is where people find this CSSM. Says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub fn make_mail(&self, now: Timestamp, server: &str) -> Result<usize, Error> {
        let (wishes, template, open) = self.db.read("mail.look", |tx| {
            let sql = format!("{WISHES} ORDER BY mail_wish.login");
            let wishes = tx.rows(&sql, &[], Wished::read)?;
            let open = (!wishes.is_empty()).then(|| open_alerts(tx)).transpose()?;
            Ok::<_, Error>((wishes, template(tx)?, open))
        })?;
        let Some(Open { alerts, not_all }) = open else { return Ok(0) };
        let newest = alerts.last().map_or(0, |(_, alert)| alert.id);
        let mut messages = Vec::new();
        for wished in wishes.into_iter().filter(|wished| wished.is_due(now)) {
            if wished.wish.pace == Pace::AtOnce && newest <= wished.told_id {
                continue;
            }
            let Wished { login, wish, told_id, .. } = &wished;
            let caller = Caller::new(login, self.people().person(login)?.grants);
            let mine: Vec<&(SmartAccountId, MailAlert)> =
                alerts.iter().filter(|(of, _)| sees(&caller, *of)).collect();
            let accounts: BTreeSet<SmartAccountId> = mine.iter().map(|(of, _)| *of).collect();
            let is_all = accounts.is_disjoint(&not_all);
            let mine: Vec<&MailAlert> = mine.into_iter().map(|(_, alert)| alert).collect();
            let of = (login.as_str(), wish);
            let message = mail::message(&template, of, *told_id, (&mine, is_all), server);
            messages.push((wished, message, accounts));
        }
        if messages.is_empty() {
            return Ok(0);
        }
        self.db.write("mail.make", move |tx| {
            let mut made = 0;
            for (wished, message, accounts) in &messages {
                let is_told = note_told(tx, now, wished, newest.max(wished.told_id))?;
                if let (true, Some(message)) = (is_told, message) {
                    let to = (wished.login.as_str(), wished.wish.address.as_str());
                    put_mail(tx, now, to, message, accounts)?;
                    made += 1;
                }
            }
            Ok(made)
        })
    }

    /// Whether somebody sees the alerts of any account, and so may be told of one.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn may_be_told(&self, login: &str) -> Result<bool, Error> {
        let grants = self.people().person(login)?.grants;
        Ok(grants.iter().any(|grant| grant.part_id.is_none()))
    }

    /// The next message that is to be sent, to somebody who wants it still and may see what it tells: it counts as tried
    /// from now on, so that none is sent over and over where nothing can be written.
    ///
    /// # Errors
    /// When the store fails: then none is to be sent.
    pub fn next_mail(&self, now: Timestamp) -> Result<Option<Outgoing>, Error> {
        self.db.write("mail.next", move |tx| {
            // A clock that was ahead holds none up.
            let sql = "SELECT mail.id, mail.address, mail.subject, mail.body, mail.made_at,
                mail.tries, mail.login, mail.accounts FROM mail
                JOIN mail_wish ON mail_wish.login = mail.login AND mail_wish.address = mail.address
                JOIN person ON person.login = mail_wish.login
                AND person.created_at = mail_wish.person_created_at AND person.disabled_at IS NULL
                WHERE mail.sent_at IS NULL AND mail.given_up_at IS NULL
                AND (mail.next_at <= $1 OR mail.next_at > $2) ORDER BY mail.next_at LIMIT 1";
            loop {
                let values = [now.0.into(), (now.0 + WAIT_SECONDS_MAX).into()];
                let found = tx.row(sql, &values, |row| {
                    let outgoing = Outgoing {
                        id: row.int(0)?,
                        address: row.text(1)?,
                        subject: row.text(2)?,
                        body: row.text(3)?,
                        made_at: Timestamp(row.int(4)?),
                    };
                    Ok::<_, Error>((outgoing, row.int(5)?, row.text(6)?, row.text(7)?))
                })?;
                let Some((outgoing, tries, login, accounts)) = found else { return Ok(None) };
                let caller = Caller::new(&login, rumline_server::grants_of(tx, &login)?);
                let mut told = accounts.split(',').filter_map(|id| id.parse().ok());
                if !told.all(|id| sees(&caller, SmartAccountId(id))) {
                    tx.execute("DELETE FROM mail WHERE id = $1", &[outgoing.id.into()])?;
                    continue;
                }
                let wait = (60 << tries.clamp(0, 6)).min(WAIT_SECONDS_MAX);
                let sql = "UPDATE mail SET tries = tries + 1, next_at = $1 WHERE id = $2";
                tx.execute(sql, &[(now.0 + wait).into(), outgoing.id.into()])?;
                return Ok(Some(outgoing));
            }
        })
    }

    /// A mail server took a message.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mail_sent(&self, now: Timestamp, id: i64) -> Result<(), Error> {
        self.db.write("mail.sent", move |tx| {
            let sql = "UPDATE mail SET sent_at = $1, problem = ''
                WHERE id = $2 AND sent_at IS NULL";
            tx.execute(sql, &[now.0.into(), id.into()])?;
            Ok(())
        })
    }

    /// A message could not be sent: it is tried again, 1, 2, 4 minutes and so on up to an hour after the last time, for three
    /// days; where the mail server said that there is nobody of that address (`is_final`), no more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn mail_failed(
        &self,
        now: Timestamp,
        id: i64,
        problem: &str,
        is_final: bool,
    ) -> Result<(), Error> {
        let problem: String = problem
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(PROBLEM_LETTERS_MAX)
            .collect();
        self.db.write("mail.failed", move |tx| {
            let made_until = if is_final { i64::MAX } else { now.0 - TRIED_SECONDS };
            let sql = "UPDATE mail SET problem = $1, given_up_at = CASE WHEN made_at <= $2
                THEN CAST($3 AS BIGINT) END WHERE id = $4 AND sent_at IS NULL";
            let values = [(&problem).into(), made_until.into(), now.0.into(), id.into()];
            tx.execute(sql, &values)?;
            Ok(())
        })
    }
}

/// What is old goes, and what nobody is left for.
pub(crate) fn tidy(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    tx.execute("DELETE FROM mail WHERE made_at < $1", &[(now.0 - KEPT_SECONDS).into()])?;
    let sql = "DELETE FROM mail_wish WHERE NOT EXISTS (SELECT 1 FROM person
        WHERE person.login = mail_wish.login
        AND person.created_at = mail_wish.person_created_at)";
    tx.execute(sql, &[])?;
    Ok(())
}
