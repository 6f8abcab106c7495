//! Programs that use the REST API in the form public clients know: a client id and secret beside a person's login.

use rumline_protocol::{Timestamp, sha256};
use rumline_server::check_name;

use crate::{Collector, Error};

impl Collector {
    /// Makes an API client; returns its id and secret, which is shown once.
    ///
    /// # Errors
    /// When the name is not acceptable.
    pub fn create_api_client(&self, now: Timestamp, name: &str) -> Result<(String, String), Error> {
        check_name("name", "the name of an API client", name)?;
        let (id, secret, name) = (self.random_hex(12), self.random_hex(24), name.to_owned());
        let (key, digest) = (id.clone(), sha256(secret.as_bytes()));
        self.db.write("api_clients.create", move |tx| {
            let sql = "INSERT INTO api_client (id, secret_hash, name, created_at)
                VALUES ($1, $2, $3, $4)";
            let values = [(&key).into(), digest[..].into(), (&name).into(), now.0.into()];
            tx.execute(sql, &values)?;
            Ok::<_, Error>(())
        })?;
        Ok((id, secret))
    }

    /// Checks the id and secret of an API client.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn check_api_client(&self, id: &str, secret: &str) -> Result<(), Error> {
        let id: String = id.chars().filter(|c| !c.is_control()).take(100).collect();
        let digest = sha256(secret.as_bytes());
        self.db.read("api_clients.check", move |tx| {
            let sql = "SELECT secret_hash FROM api_client WHERE id = $1";
            let known = tx.row(sql, &[(&id).into()], |row| row.bytes(0))?;
            // The digest of a random secret tells nothing by how fast it is compared.
            if known.is_some_and(|known| known == digest) {
                Ok(())
            } else {
                Err(Error::Unauthenticated)
            }
        })
    }
}
