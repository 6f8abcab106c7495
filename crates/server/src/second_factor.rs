//! Second factors as people set them up, confirm and take them away, and an administrator resets them.

use std::sync::PoisonError;

use rumline_protocol::{Random, Timestamp};

use crate::audit::{Act, audit};
use crate::factors::{
    Checked, Enrolment, FactorState, begun, check_code, factor_of, forget_factor, plain,
    recovery_hash, told, use_step,
};
use crate::logins::end_others;
use crate::names::LoginId;
use crate::people::{Change, kind_of};
use crate::totp::{TotpSecret, base32};
use crate::{Actor, Error, Kind, People};

/// Recovery codes that somebody gets.
const RECOVERY_CODES: usize = 10;
/// Random bytes of each: nobody guesses them.
const RECOVERY_BYTES: usize = 10;
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

/// The same to somebody who is logged in.
fn wrong_code() -> Error {
    Error::field("code", Error::CodeWrong.to_string())
}

impl People {
    /// How somebody's second factor stands; what was begun is for the eyes of the login that began it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn second_factor(
        &self,
        now: Timestamp,
        login: &str,
        by: LoginId,
    ) -> Result<FactorState, Error> {
        let login = login.to_owned();
        self.db.read("factor.state", move |tx| {
            let sql = "SELECT confirmed_at FROM second_factor WHERE login = $1";
            let since = tx.row(sql, &[(&login).into()], |row| row.opt_int(0))?.flatten();
            let sql = "SELECT COUNT(*) FROM recovery_code WHERE login = $1";
            let left = tx.row(sql, &[(&login).into()], |row| row.int(0))?.unwrap_or(0);
            let begun = begun(tx, now, (&login, by))?;
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
        by: LoginId,
    ) -> Result<Enrolment, Error> {
        self.check_own_password(now, actor, password, ("password", "the password is wrong"))?;
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
                "INSERT INTO second_factor (login, secret, codes, made_at, failures, failed_at, begun_by)
                VALUES ($1, $2, $3, $4, 0, 0, $5)";
            let codes = kept.recovery_codes.join(" ");
            let secret = kept.secret.as_bytes();
            let values =
                [(&login).into(), secret.into(), (&codes).into(), now.0.into(), by.into()];
            tx.execute(sql, &values)?;
            Ok(())
        })?;
        Ok(made)
    }

    /// Confirms it by a code of the app: from now on one is asked for, and all other logins end. API tokens go on.
    ///
    /// # Errors
    /// When this login, which goes on, began none in the last hour, or the code is none of its.
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
            let Some(begun) = begun(tx, now, (login, keep))? else {
                let text = "this login began no second factor in the last hour: begin one first";
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
        self.check_own_password(now, actor, password, ("password", "the password is wrong"))?;
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
        if actor.name() == login {
            let text = "one's own second factor is removed by the password and a code";
            return Err(Error::Conflict(text.to_owned()));
        }
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
}
