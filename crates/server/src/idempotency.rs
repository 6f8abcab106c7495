//! Calls that may be sent again: whoever names a call by a key of their own gets the same answer to the same call, which is
//! done once (the table `kept_answer`). A key is noted before the call is worked on and its answer after; one whose answer
//! never came, as the server ended meanwhile, is not done a second time either, and says so.

use rumline_protocol::{Timestamp, sha256};
use rumline_store::Tx;

use crate::{Error, People};

/// The table, for the schema of a server.
pub const KEPT_ANSWERS_TABLE: &str = "
CREATE TABLE kept_answer (
    login TEXT NOT NULL,
    key_hash BYTEA NOT NULL,
    call_hash BYTEA NOT NULL,
    made_at BIGINT NOT NULL,
    status BIGINT,
    content_type TEXT NOT NULL,
    body BYTEA,
    PRIMARY KEY (login, key_hash)
);
CREATE INDEX kept_answer_age ON kept_answer (made_at);
CREATE INDEX kept_answer_login ON kept_answer (login, made_at);
";

/// How long an answer is kept.
const KEPT_SECONDS: i64 = Timestamp::DAY;
/// Keys of one person or program that are remembered; of more the oldest goes.
const KEYS_MAX: i64 = 1_000;
/// The longest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// What kind of content it is.
    pub content_type: String,
    /// The content; none where it was too long to keep.
    pub body: Option<Vec<u8>>,
}

/// What is known of a call with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is to be done, and its answer told with [`People::answered`].
    New,
    /// It is being done, or its answer never came.
    Unanswered,
    /// The key was another call's.
    OtherCall,
    /// It was done.
    Done(KeptAnswer),
}

/// The answers that are kept for somebody go: nobody else gets them under the same name.
pub(crate) fn forget_answers(tx: &mut Tx<'_>, login: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM kept_answer WHERE login = $1", &[login.into()])?;
    Ok(())
}

fn found(tx: &mut Tx<'_>, login: &str, key: &[u8], call: &[u8]) -> Result<Option<Known>, Error> {
    let sql = "SELECT call_hash, status, content_type, body FROM kept_answer
        WHERE login = $1 AND key_hash = $2";
    tx.row(sql, &[login.into(), key.into()], |row| {
        if row.bytes(0)? != call {
            return Ok(Known::OtherCall);
        }
        let Some(status) = row.opt_int(1)? else { return Ok(Known::Unanswered) };
        let status = u16::try_from(status).unwrap_or(500);
        let (content_type, body) = (row.text(2)?, row.opt_bytes(3)?);
        Ok(Known::Done(KeptAnswer { status, content_type, body }))
    })
}

impl People {
    /// What is known of a call that somebody named by a key; a new one is noted, and nobody else does it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn call_with_key(
        &self,
        now: Timestamp,
        login: &str,
        key: &str,
        call: &[u8; 32],
    ) -> Result<Known, Error> {
        let (login, key, call) = (login.to_owned(), sha256(key.as_bytes()), *call);
        self.db.write("calls.begin", move |tx| {
            let oldest = now + -KEPT_SECONDS;
            tx.execute("DELETE FROM kept_answer WHERE made_at <= $1", &[oldest.0.into()])?;
            if let Some(known) = found(tx, &login, &key, &call)? {
                return Ok(known);
            }
            let sql = "SELECT COUNT(*) FROM kept_answer WHERE login = $1";
            let kept = tx.row(sql, &[(&login).into()], |row| row.int(0))?.unwrap_or(0);
            if kept >= KEYS_MAX {
                let sql = "DELETE FROM kept_answer WHERE login = $1 AND key_hash IN
                    (SELECT key_hash FROM kept_answer WHERE login = $1 ORDER BY made_at LIMIT $2)";
                tx.execute(sql, &[(&login).into(), (kept - KEYS_MAX + 1).into()])?;
            }
            let sql = "INSERT INTO kept_answer (login, key_hash, call_hash, made_at, content_type)
                VALUES ($1, $2, $3, $4, '')";
            let values = [(&login).into(), key[..].into(), call[..].into(), now.0.into()];
            tx.execute(sql, &values)?;
            Ok(Known::New)
        })
    }

    /// Keeps the answer of a call that was done; without one the key is free again, as nothing was done.
    ///
    /// # Errors
    /// When the store fails.
    pub fn answered(
        &self,
        login: &str,
        key: &str,
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Error> {
        let (login, key, answer) = (login.to_owned(), sha256(key.as_bytes()), answer.cloned());
        self.db.write("calls.answered", move |tx| {
            let Some(answer) = &answer else {
                let sql = "DELETE FROM kept_answer WHERE login = $1 AND key_hash = $2";
                tx.execute(sql, &[(&login).into(), key[..].into()])?;
                return Ok(());
            };
            let body = answer.body.as_deref().filter(|body| body.len() <= ANSWER_BYTES_MAX);
            let sql = "UPDATE kept_answer SET status = $1, content_type = $2, body = $3
                WHERE login = $4 AND key_hash = $5";
            let values = [
                i64::from(answer.status).into(),
                (&answer.content_type).into(),
                body.into(),
                (&login).into(),
                key[..].into(),
            ];
            tx.execute(sql, &values)?;
            Ok(())
        })
    }
}
