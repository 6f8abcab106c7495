//! The statements that were run, for tests that look at how each is planned. Outside of tests nothing is kept.

#[cfg(debug_assertions)]
mod kept {
    use std::collections::BTreeSet;
    use std::sync::{Mutex, PoisonError};

    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    pub(crate) fn note(sql: &str) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(sql) {
            seen.insert(sql.to_owned());
        }
    }

    /// The texts of the statements that this process has run so far.
    #[must_use]
    pub fn statements_seen() -> Vec<String> {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(debug_assertions)]
pub(crate) use kept::note;
#[cfg(debug_assertions)]
pub use kept::statements_seen;

/// Outside of tests nothing is kept.
#[cfg(not(debug_assertions))]
pub(crate) fn note(_: &str) {}
