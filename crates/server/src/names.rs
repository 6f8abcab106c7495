//! Names people give, and numbers the store gives.

use std::sync::PoisonError;

use rumline_store::{Id, Tx};

use crate::{Error, SharedRandom};

rumline_store::id_types! {
    /// A login, or an API token.
    LoginId,
}

/// The longest name, in characters.
pub const NAME_LETTERS_MAX: usize = 100;

/// A name people gave: 1 to 100 characters, none of them control characters, no blanks around it.
///
/// # Errors
/// When it is not such a name; `what` says whose it is, and `field` what the request calls it.
pub fn check_name(field: &'static str, what: &str, name: &str) -> Result<(), Error> {
    let fine = !name.is_empty()
        && name.chars().count() <= NAME_LETTERS_MAX
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if fine {
        Ok(())
    } else {
        let text = format!("{what} has 1 to {NAME_LETTERS_MAX} printable characters");
        Err(Error::field(field, text))
    }
}

/// The next number of a kind, from the table `counter`.
///
/// # Errors
/// When the store fails.
pub fn next_id<T: Id>(tx: &mut Tx<'_>, name: &str) -> Result<T, Error> {
    Ok(T::from_number(tx.count_up(name)?))
}

/// So many random bytes, in hexadecimal.
#[must_use]
pub fn random_hex(random: &SharedRandom, bytes: usize) -> String {
    let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
    rumline_protocol::random_hex(&mut *random, bytes)
}
