//! Who is known by a provider, and as whom (the table `provided_person`).

use rumline_store::Tx;

use crate::Error;

/// The table, for the schema of a server.
pub const PROVIDED_TABLE: &str = "
CREATE TABLE provided_person (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    login TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE UNIQUE INDEX provided_person_login ON provided_person (login);
";

/// What somebody is called here whom a provider names so.
pub(crate) fn login_provided(
    tx: &mut Tx<'_>,
    issuer: &str,
    subject: &str,
) -> Result<Option<String>, Error> {
    let sql = "SELECT login FROM provided_person WHERE issuer = $1 AND subject = $2";
    Ok(tx.row(sql, &[issuer.into(), subject.into()], |row| row.text(0))?)
}

/// Somebody whom a provider names so is called so here.
pub(crate) fn put_provided(
    tx: &mut Tx<'_>,
    issuer: &str,
    subject: &str,
    login: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO provided_person (issuer, subject, login) VALUES ($1, $2, $3)";
    tx.execute(sql, &[issuer.into(), subject.into(), login.into()])?;
    Ok(())
}

/// Whether whoever is called so is known by a provider.
pub(crate) fn is_provided(tx: &mut Tx<'_>, login: &str) -> Result<bool, Error> {
    let sql = "SELECT issuer FROM provided_person WHERE login = $1";
    Ok(tx.row(sql, &[login.into()], |row| row.text(0))?.is_some())
}

/// Whoever is known by this login is not known by a provider any more.
pub(crate) fn forget_provided(tx: &mut Tx<'_>, login: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM provided_person WHERE login = $1", &[login.into()])?;
    Ok(())
}
