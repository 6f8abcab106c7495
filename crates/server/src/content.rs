//! What a database holds, as one number: two that hold the same have the same one, whichever engine they are in.
//!
//! Each row is hashed with the name of its table, and the hashes are added up, so that it does not matter in which order rows come.
//! It tells copies apart that differ by accident; it is no proof against somebody who looks for rows that add up.

use std::fmt::Write as _;

use rumline_protocol::sha256;
use rumline_store::{StoreError, Tx};
use serde::{Deserialize, Serialize};

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 in hexadecimal, of what all tables add up to.
    pub sha256: String,
    /// How many tables there are.
    pub tables: u64,
    /// How many rows they have, all together.
    pub rows: u64,
}

/// A sum of hashes, modulo 2^256.
#[derive(Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, hash: &[u8; 32]) {
        let mut carry = false;
        for (own, bytes) in self.0.iter_mut().zip(hash.as_chunks::<8>().0) {
            let (sum, over) = own.overflowing_add(u64::from_le_bytes(*bytes));
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*own, carry) = (sum, over || over_again);
        }
    }
}

/// Looks through all tables.
///
/// # Errors
/// When the store fails.
pub fn content(tx: &mut Tx<'_>) -> Result<Content, StoreError> {
    let (mut text, mut all) = (String::new(), 0);
    let tables = tx.tables()?;
    for table in &tables {
        let (mut sum, mut rows) = (Sum::default(), 0_u64);
        let mut bytes = Vec::new();
        // In a file that somebody made up a table may be called anything.
        let named = table.replace('"', "\"\"");
        tx.each::<StoreError>(&format!("SELECT * FROM \"{named}\""), &[], |row| {
            bytes.clear();
            bytes.extend_from_slice(table.as_bytes());
            bytes.push(0);
            row.write_to(&mut bytes)?;
            sum.add(&sha256(&bytes));
            rows += 1;
            Ok(true)
        })?;
        all += rows;
        let Sum([first, second, third, fourth]) = sum;
        // Writing to a string cannot fail.
        let _written =
            writeln!(text, "{table} {rows} {first:016x}{second:016x}{third:016x}{fourth:016x}");
    }
    let sha256 = sha256(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        let _written = write!(hex, "{byte:02x}");
        hex
    });
    Ok(Content { sha256, tables: tables.len() as u64, rows: all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_do_not_depend_on_the_order() {
        let (low, high) = ([0xff; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        });
        let mut sum = Sum::default();
        sum.add(&low);
        sum.add(&high);
        assert_eq!(sum.0, [0; 4], "all ones and one");
        let hashes: Vec<[u8; 32]> = (0..50_u8).map(|n| sha256(&[n])).collect();
        let (mut there, mut back) = (Sum::default(), Sum::default());
        hashes.iter().for_each(|hash| there.add(hash));
        hashes.iter().rev().for_each(|hash| back.add(hash));
        assert_eq!(there.0, back.0);
        back.add(&hashes[0]);
        assert_ne!(there.0, back.0, "twice is not once");
    }
}
