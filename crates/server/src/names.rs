//! Names people give, and numbers the store gives.

use std::sync::PoisonError;

use rumline_store::Tx;

use crate::{Error, SharedRandom};

/// A name people gave: 1 to 100 characters, none of them control characters, no blanks around it.
///
/// # Errors
/// When it is not such a name; `what` says whose it is.
pub fn check_name(what: &str, name: &str) -> Result<(), Error> {
    let fine = !name.is_empty()
        && name.chars().count() <= 100
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if fine {
        Ok(())
    } else {
        Err(Error::invalid(format!("{what} has 1 to 100 printable characters")))
    }
}

/// The next number of a kind, from the table `counter`.
///
/// # Errors
/// When the store fails.
pub fn next_id(tx: &mut Tx<'_>, name: &str) -> Result<i64, Error> {
    // In two statements: for a RETURNING, SQLite makes a table of its own each time.
    const COUNT: &str = "INSERT INTO counter (name, value) VALUES ($1, 1)
        ON CONFLICT (name) DO UPDATE SET value = counter.value + 1";
    const VALUE: &str = "SELECT value FROM counter WHERE name = $1";
    tx.execute(COUNT, &[name.into()])?;
    tx.row(VALUE, &[name.into()], |row| Ok::<_, Error>(row.int(0)?))?
        .ok_or(Error::NotFound("counter"))
}

/// So many random bytes, in hexadecimal.
#[must_use]
pub fn random_hex(random: &SharedRandom, bytes: usize) -> String {
    let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
    rumline_protocol::random_hex(&mut *random, bytes)
}
