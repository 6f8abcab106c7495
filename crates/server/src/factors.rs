//! What is kept of second factors (the tables `second_factor`, `recovery_code` and `used_code`), and whether a code is one
//! of somebody's now. The codes themselves are in `totp`, what people do about them in `second_factor`.

use rumline_protocol::{Timestamp, sha256};
use rumline_store::Tx;

use crate::Error;
use crate::names::LoginId;
use crate::totp::{TotpSecret, step_at};

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
UPDATE api_token SET used_at = created_at, id = numbered.id FROM
    (SELECT hash, ROW_NUMBER() OVER (ORDER BY hash) AS id FROM api_token) AS numbered
    WHERE numbered.hash = api_token.hash;
INSERT INTO counter (name, value) SELECT 'api_token', COUNT(*) FROM api_token;
CREATE INDEX api_token_login ON api_token (login, id);
";

/// What they got later: by which login a second factor was begun, which alone is shown what was begun.
pub const SECOND_FACTOR_BEGUN_BY: &str =
    "ALTER TABLE second_factor ADD COLUMN begun_by BIGINT NOT NULL DEFAULT 0";

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
pub(crate) fn plain(code: &str) -> String {
    let kept = code.chars().filter(|c| !c.is_whitespace() && *c != '-');
    kept.take(CODE_BYTES_MAX).collect::<String>().to_ascii_lowercase()
}

pub(crate) fn recovery_hash(login: &str, code: &str) -> [u8; 32] {
    sha256(format!("{login}\n{}", plain(code)).as_bytes())
}

/// How long a code is not looked at after so many wrong ones.
fn wait_seconds(now: Timestamp, factor: &Factor) -> Option<i64> {
    let over = factor.failures - FREE_CODES;
    if over < 0 {
        return None;
    }
    // Noted by a clock that was ahead: a wrong code from now on is noted by the clock that is right.
    if factor.failed_at > now + WAIT_SECONDS_MAX {
        return None;
    }
    let wait = (WAIT_SECONDS << over.min(10)).min(WAIT_SECONDS_MAX);
    let left = (factor.failed_at + wait).since(now);
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
pub(crate) fn use_step(
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

pub(crate) fn begun(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (login, by): (&str, LoginId),
) -> Result<Option<Enrolment>, Error> {
    let sql = "SELECT secret, codes FROM second_factor WHERE login = $1
        AND confirmed_at IS NULL AND made_at > $2 AND made_at <= $3 AND begun_by = $4";
    let (from, to) = (now + -PENDING_SECONDS, now + rumline_protocol::SKEW_SECONDS);
    tx.row(sql, &[login.into(), from.0.into(), to.0.into(), by.into()], |row| {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(wait(10, now.0 + 500), Some(900));
        assert_eq!(wait(10, now.0 + 1_000_000), None, "by a clock that was a month ahead");
    }
}
