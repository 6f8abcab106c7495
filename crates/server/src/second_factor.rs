//! Second factors: what an app and a server share, and codes for whoever has lost the app (the tables `second_factor`,
//! `recovery_code` and `used_code`). The codes themselves are in `totp`, who is asked for one in `logins`.

use std::sync::PoisonError;

use rumline_protocol::{Random, Timestamp, sha256};
use rumline_store::Tx;

use crate::audit::{Act, audit};
use crate::logins::{LoginId, end_others};
use crate::people::{Change, kind_of};
use crate::totp::{TotpSecret, base32, step_at};
use crate::{Actor, Error, Kind, People};

/// The tables, and what the table of logins got with them: logins are numbered, told apart, and may be narrowed.
pub const SECOND_FACTOR_TABLES: &str = "
CREATE TABLE second_factor (
    login TEXT NOT NULL PRIMARY KEY,
    secret BYTEA NOT NULL,
    codes TEXT,
    made_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL
);
CREATE TABLE recovery_code (
    login TEXT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (login, hash)
);
CREATE TABLE used_code (
    login TEXT NOT NULL,
    step BIGINT NOT NULL,
    PRIMARY KEY (login, step)
);
ALTER TABLE api_token ADD COLUMN id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_token ADD COLUMN kind TEXT NOT NULL DEFAULT 'login';
ALTER TABLE api_token ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_token ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE api_token ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_token ADD COLUMN role TEXT;
ALTER TABLE api_token ADD COLUMN scope_id BIGINT;
ALTER TABLE api_token ADD COLUMN part_id BIGINT;
UPDATE api_token SET used_at = created_at, id = (SELECT COUNT(*) FROM api_token AS other
    WHERE other.hash <= api_token.hash);
INSERT INTO counter (name, value) SELECT 'api_token', COUNT(*) FROM api_token;
CREATE INDEX api_token_login ON api_token (login, id);
";

/// Recovery codes that somebody gets.
const RECOVERY_CODES: usize = 10;
/// Random bytes of each: nobody guesses them.
const RECOVERY_BYTES: usize = 10;
/// How long a second factor may be begun and not confirmed.
const PENDING_SECONDS: i64 = Timestamp::HOUR;
/// Wrong codes in a row that cost nothing.
const FREE_CODES: i64 = 5;
/// What the first one after them costs, and the most that one does, in seconds: 96 guesses a day of 333,333.
const WAIT_SECONDS: i64 = 30;
const WAIT_SECONDS_MAX: i64 = 900;
/// Steps of which it is remembered for how long that their codes were used: a clock that was set back shows them again.
const REMEMBERED_STEPS: i64 = 2 * 2_880;
/// The longest code that is looked at, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// A second factor that was begun: what is typed into an app, and what is kept for the day on which it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// What the app gets.
    pub secret: TotpSecret,
    /// Codes that count once each in the place of one of the app's.
    pub recovery_codes: Vec<String>,
}

/// How somebody's second factor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorState {
    /// Since when it is asked for; none if there is none.
    pub since: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
    /// What was begun and waits for its first code.
    pub begun: Option<Enrolment>,
}

/// What a login is asked for beside its password.
pub(crate) struct Factor {
    secret: TotpSecret,
    failures: i64,
    failed_at: Timestamp,
}

/// What a code was.
pub(crate) enum Checked {
    /// One of the app's.
    Right,
    /// A recovery code; so many are left.
    Recovery(i64),
    /// None, or one that was used.
    Wrong,
    /// Too many were wrong: not looked at for so many seconds.
    Wait(i64),
}

/// The second factor that somebody has confirmed.
pub(crate) fn factor_of(tx: &mut Tx<'_>, login: &str) -> Result<Option<Factor>, Error> {
    let sql = "SELECT secret, failures, failed_at FROM second_factor
        WHERE login = $1 AND confirmed_at IS NOT NULL";
    tx.row(sql, &[login.into()], |row| {
        let secret = TotpSecret::from_bytes(row.bytes(0)?);
        Ok(Factor { secret, failures: row.int(1)?, failed_at: Timestamp(row.int(2)?) })
    })
}

/// Whatever is kept of somebody's second factor goes; whether there was a confirmed one.
pub(crate) fn forget_factor(tx: &mut Tx<'_>, login: &str) -> Result<bool, Error> {
    let was = factor_of(tx, login)?.is_some();
    for table in ["second_factor", "recovery_code", "used_code"] {
        tx.execute(&format!("DELETE FROM {table} WHERE login = $1"), &[login.into()])?;
    }
    Ok(was)
}

/// A code as it is compared: people put blanks and hyphens into them.
fn plain(code: &str) -> String {
    let kept = code.chars().filter(|c| !c.is_whitespace() && *c != '-');
    kept.take(CODE_BYTES_MAX).collect::<String>().to_ascii_lowercase()
}

fn recovery_hash(login: &str, code: &str) -> [u8; 32] {
    sha256(format!("{login}\n{}", plain(code)).as_bytes())
}

fn recovery_codes(random: &mut dyn Random) -> Vec<String> {
    let one = |_| {
        let mut bytes = [0; RECOVERY_BYTES];
        random.fill(&mut bytes);
        let letters = base32(&bytes).to_ascii_lowercase();
        let parts: Vec<&str> = (0..4).map(|at| &letters[at * 4..at * 4 + 4]).collect();
        parts.join("-")
    };
    (0..RECOVERY_CODES).map(one).collect()
}

/// How long a code is not looked at after so many wrong ones.
fn wait_seconds(now: Timestamp, factor: &Factor) -> Option<i64> {
    let over = factor.failures - FREE_CODES;
    if over < 0 {
        return None;
    }
    let wait = (WAIT_SECONDS << over.min(10)).min(WAIT_SECONDS_MAX);
    let left = (factor.failed_at + wait).since(now);
    // A clock that was set back makes nobody wait longer than the longest.
    (left > 0).then(|| left.min(WAIT_SECONDS_MAX))
}

/// Checks a code, and notes that it was used or wrong: it counts in this transaction and in no other.
pub(crate) fn check_code(
    tx: &mut Tx<'_>,
    now: Timestamp,
    login: &str,
    factor: &Factor,
    code: &str,
) -> Result<Checked, Error> {
    let code = plain(code);
    let is_of_app = code.len() <= crate::totp::DIGITS && code.bytes().all(|b| b.is_ascii_digit());
    if !is_of_app && remove_recovery(tx, login, &code)? {
        let sql = "SELECT COUNT(*) FROM recovery_code WHERE login = $1";
        let left = tx.row(sql, &[login.into()], |row| row.int(0))?.unwrap_or(0);
        right(tx, login)?;
        return Ok(Checked::Recovery(left));
    }
    if let Some(seconds) = wait_seconds(now, factor) {
        return Ok(Checked::Wait(seconds));
    }
    if is_of_app && use_step(tx, now, login, &factor.secret, &code)? {
        right(tx, login)?;
        return Ok(Checked::Right);
    }
    let sql = "UPDATE second_factor SET failures = failures + 1, failed_at = $1 WHERE login = $2";
    tx.execute(sql, &[now.0.into(), login.into()])?;
    Ok(Checked::Wrong)
}

fn remove_recovery(tx: &mut Tx<'_>, login: &str, code: &str) -> Result<bool, Error> {
    let hash = recovery_hash(login, code);
    let sql = "DELETE FROM recovery_code WHERE login = $1 AND hash = $2";
    Ok(tx.execute(sql, &[login.into(), hash[..].into()])? > 0)
}

fn right(tx: &mut Tx<'_>, login: &str) -> Result<(), Error> {
    tx.execute("UPDATE second_factor SET failures = 0 WHERE login = $1", &[login.into()])?;
    Ok(())
}

/// Uses a code up: whether it is one of now that was not used yet.
fn use_step(
    tx: &mut Tx<'_>,
    now: Timestamp,
    login: &str,
    secret: &TotpSecret,
    code: &str,
) -> Result<bool, Error> {
    for step in secret.steps_of(now, code) {
        let sql = "INSERT INTO used_code (login, step) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        if tx.execute(sql, &[login.into(), step.into()])? == 0 {
            continue;
        }
        let sql = "DELETE FROM used_code WHERE login = $1 AND step < $2";
        let oldest = step_at(now).saturating_sub(REMEMBERED_STEPS);
        tx.execute(sql, &[login.into(), oldest.into()])?;
        return Ok(true);
    }
    Ok(false)
}

fn begun(tx: &mut Tx<'_>, now: Timestamp, login: &str) -> Result<Option<Enrolment>, Error> {
    let sql = "SELECT secret, codes FROM second_factor WHERE login = $1
        AND confirmed_at IS NULL AND made_at > $2 AND made_at <= $3";
    let (from, to) = (now + -PENDING_SECONDS, now + rumline_protocol::SKEW_SECONDS);
    tx.row(sql, &[login.into(), from.0.into(), to.0.into()], |row| {
        let codes = row.opt_text(1)?.unwrap_or_default();
        Ok(Enrolment {
            secret: TotpSecret::from_bytes(row.bytes(0)?),
            recovery_codes: codes.split_whitespace().map(str::to_owned).collect(),
        })
    })
}

/// What is told where a code is wrong.
pub(crate) fn told(checked: &Checked) -> Result<(), Error> {
    match checked {
        Checked::Right | Checked::Recovery(_) => Ok(()),
        Checked::Wrong => Err(Error::CodeWrong),
        Checked::Wait(seconds) => Err(Error::TooManyRequests { retry_after_seconds: *seconds }),
    }
}

/// The same to somebody who is logged in.
fn wrong_code() -> Error {
    Error::invalid(Error::CodeWrong.to_string())
}

impl People {
    /// How somebody's second factor stands; what was begun is for their own eyes.
    ///
    /// # Errors
    /// When the store fails.
    pub fn second_factor(&self, now: Timestamp, login: &str) -> Result<FactorState, Error> {
        let login = login.to_owned();
        self.db.read("factor.state", move |tx| {
            let sql = "SELECT confirmed_at FROM second_factor WHERE login = $1";
            let since = tx.row(sql, &[(&login).into()], |row| row.opt_int(0))?.flatten();
            let sql = "SELECT COUNT(*) FROM recovery_code WHERE login = $1";
            let left = tx.row(sql, &[(&login).into()], |row| row.int(0))?.unwrap_or(0);
            let begun = begun(tx, now, &login)?;
            Ok(FactorState { since: since.map(Timestamp), recovery_codes: left, begun })
        })
    }

    /// Begins a second factor for oneself; it is asked for once its first code has confirmed it.
    ///
    /// # Errors
    /// When the password is wrong, there is a second factor already, or it is a program that asks.
    pub fn begin_second_factor(
        &self,
        now: Timestamp,
        actor: &Actor,
        password: &str,
    ) -> Result<Enrolment, Error> {
        self.check_own_password(now, actor, password, "the password is wrong")?;
        let made = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            let secret = TotpSecret::generate(&mut *random);
            Enrolment { secret, recovery_codes: recovery_codes(&mut *random) }
        };
        let (login, kept) = (actor.name().to_owned(), made.clone());
        self.db.write("factor.begin", move |tx| {
            if kind_of(tx, &login)? != Some(Kind::Person) {
                let text = "a program has no second factor: nobody guesses its secret";
                return Err(Error::Conflict(text.to_owned()));
            }
            if factor_of(tx, &login)?.is_some() {
                let text = "there is a second factor already: remove it first";
                return Err(Error::Conflict(text.to_owned()));
            }
            forget_factor(tx, &login)?;
            let sql =
                "INSERT INTO second_factor (login, secret, codes, made_at, failures, failed_at)
                VALUES ($1, $2, $3, $4, 0, 0)";
            let codes = kept.recovery_codes.join(" ");
            let secret = kept.secret.as_bytes();
            tx.execute(sql, &[(&login).into(), secret.into(), (&codes).into(), now.0.into()])?;
            Ok(())
        })?;
        Ok(made)
    }

    /// Confirms it by a code of the app: from now on one is asked for, and all other logins end. API tokens go on.
    ///
    /// # Errors
    /// When none was begun in the last hour, or the code is none of its.
    pub fn confirm_second_factor(
        &self,
        now: Timestamp,
        actor: &Actor,
        code: &str,
        keep: LoginId,
    ) -> Result<(), Error> {
        let (actor, code) = (actor.clone(), plain(code));
        self.db.write("factor.confirm", move |tx| {
            let login = actor.name();
            let Some(begun) = begun(tx, now, login)? else {
                let text = "no second factor was begun in the last hour: begin one first";
                return Err(Error::Conflict(text.to_owned()));
            };
            if !use_step(tx, now, login, &begun.secret, &code)? {
                return Err(wrong_code());
            }
            let sql = "UPDATE second_factor SET confirmed_at = $1, codes = NULL WHERE login = $2";
            tx.execute(sql, &[now.0.into(), login.into()])?;
            for code in &begun.recovery_codes {
                let hash = recovery_hash(login, code);
                let sql = "INSERT INTO recovery_code (login, hash) VALUES ($1, $2)";
                tx.execute(sql, &[login.into(), hash[..].into()])?;
            }
            end_others(tx, login, keep)?;
            audit(tx, now, &actor, &Act::new("second factor set", login))
        })
    }

    /// Takes one's own second factor away.
    ///
    /// # Errors
    /// When password or code are wrong, or there is none.
    pub fn remove_second_factor(
        &self,
        now: Timestamp,
        actor: &Actor,
        password: &str,
        code: &str,
    ) -> Result<(), Error> {
        self.check_own_password(now, actor, password, "the password is wrong")?;
        let (actor, code) = (actor.clone(), code.to_owned());
        let checked = self.db.write("factor.remove", move |tx| {
            let login = actor.name();
            let factor = factor_of(tx, login)?.ok_or(Error::NotFound("second factor"))?;
            let checked = check_code(tx, now, login, &factor, &code)?;
            let act = Act::new("second factor removed", login);
            match &checked {
                Checked::Right | Checked::Recovery(_) => {
                    forget_factor(tx, login)?;
                    audit(tx, now, &actor, &act)?;
                }
                Checked::Wrong => audit(tx, now, &actor, &act.refused("wrong code"))?,
                Checked::Wait(_) => {}
            }
            Ok::<_, Error>(checked)
        })?;
        told(&checked).map_err(|error| match error {
            Error::CodeWrong => wrong_code(),
            other => other,
        })
    }

    /// Takes somebody's second factor away, who has lost it; their logins end.
    ///
    /// # Errors
    /// When there is no such person, or they have none.
    pub fn reset_second_factor(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
    ) -> Result<(), Error> {
        self.change(now, actor, login, Change::of_person("second factor reset"), |tx, login| {
            kind_of(tx, login)?.ok_or(Error::NotFound("person"))?;
            if forget_factor(tx, login)? { Ok(()) } else { Err(Error::NotFound("second factor")) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);

    impl Random for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }

    #[test]
    fn recovery_codes_are_distinct_and_read_with_blanks_and_in_capitals() {
        let codes = recovery_codes(&mut Counting(0));
        let distinct: std::collections::BTreeSet<&String> = codes.iter().collect();
        assert_eq!((codes.len(), distinct.len()), (RECOVERY_CODES, RECOVERY_CODES));
        assert_eq!(codes[0], "aaaq-eayeaudaocaj"[..4].to_owned() + "-eaye-auda-ocaj");
        let typed = codes[0].to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash("eve", &typed), recovery_hash("eve", &codes[0]));
        assert_ne!(recovery_hash("eve", &codes[0]), recovery_hash("ann", &codes[0]));
    }

    #[test]
    fn wrong_codes_cost_time_and_the_most_they_cost_is_a_quarter_of_an_hour() {
        let now = Timestamp(1_700_000_000);
        let wait = |failures, failed_at| {
            let secret = TotpSecret::from_bytes(Vec::new());
            wait_seconds(now, &Factor { secret, failures, failed_at: Timestamp(failed_at) })
        };
        assert_eq!(wait(4, now.0), None);
        for (failures, seconds) in [(5, 30), (6, 60), (9, 480), (10, 900), (i64::MAX, 900)] {
            assert_eq!(wait(failures, now.0), Some(seconds), "{failures}");
            assert_eq!(wait(failures, now.0 - seconds + 1), Some(1));
            assert_eq!(wait(failures, now.0 - seconds), None);
        }
        assert_eq!(wait(10, now.0 + 1_000_000), Some(900));
    }
}
