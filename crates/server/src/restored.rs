//! What becomes of a database that was put back: it must not say anything else of what its original said after the copy was made.

use rumline_protocol::Timestamp;
use rumline_store::{Db, StoreError};

use crate::{Act, Actor, Error, audit};

/// By how much numbers go on higher: no server gives out as many of a kind between two backups.
pub const LEAP: i64 = 500_000;
/// Numbers of rows of which the newest so many are kept: nobody outside knows them by these.
const KEPT_BY_NUMBER: [&str; 3] = ["audit", "log_line", "probe"];

/// Numbers go on higher by [`LEAP`]: what the original gave numbers to after the copy was made - devices, trust codes, files,
/// deliveries of webhooks that receivers know by them - shares none with anything that comes now. All logins end, since some may have
/// been ended since; API tokens go on. The audit tells it.
///
/// The tables are to be those of this release.
///
/// # Errors
/// When the store fails.
pub fn go_on_after_restore(db: &Db, now: Timestamp, of: &str) -> Result<(), Error> {
    let of = of.to_owned();
    db.write("server.restored", move |tx| {
        let names = tx.rows::<_, StoreError>("SELECT name FROM counter", &[], |row| row.text(0))?;
        for name in names.iter().filter(|name| !KEPT_BY_NUMBER.contains(&name.as_str())) {
            let last = tx.last_number(name)?;
            tx.numbers_above(name, last.saturating_add(LEAP))?;
        }
        tx.execute("DELETE FROM api_token WHERE kind <> 'token'", &[])?;
        audit(tx, now, &Actor::system(), &Act::new("restored from a backup", &of))
    })
}
