//! Usage files too large to be held in memory (P6): read three times, piece by piece.

use std::io::{Read, Seek};
use std::sync::Arc;

use rumline_protocol::{Document, PiecesError, Timestamp, read_in_pieces};
use rumline_store::Tx;

use crate::accounts::virtual_account;
use crate::collected::{self, DeviceFile, Hop, Taken, Took, VerifiedDevice};
use crate::files::{Brought, UsageFile, plain_name};
use crate::ids::Account;
use crate::{Actor, Cssm, Error, instances, set_aside};

impl Cssm {
    /// Takes a large usage file of one product instance, as it wrote it. Nothing is taken before all of it was found whole;
    /// then it is taken piece by piece, so that other work goes on between. One that was cut short is uploaded anew: what
    /// was taken is known then.
    ///
    /// # Errors
    /// When it is damaged, or its product instance belongs elsewhere; then nothing of it is taken.
    pub fn upload_large<R: Read + Seek>(
        &self,
        now: Timestamp,
        actor: &Actor,
        account: Account,
        name: &str,
        reader: &mut R,
    ) -> Result<UsageFile, Error> {
        let name = plain_name(name)?;
        self.db.read("files.account", move |tx| virtual_account(tx, account.0, account.1))?;
        let file = self.outline(now, &name, reader)?;
        let udi = file.udi.clone();
        let known = self.db.read("files.key", move |tx: &mut Tx<'_>| instances::find(tx, &udi))?;
        let known = known.map(|known| known.public_key);
        let correlation_id = self.random_hex(16);
        let part = |document: Document| {
            let ids = (now, self.id.as_ref(), correlation_id.as_str());
            let suite = self.suite.as_ref();
            let file = file.part(document.reports);
            let device = collected::verify(suite, file, known.as_ref(), Hop::Person(None), ids)?;
            match device.refused.first() {
                Some(entry) => Err(Error::invalid(format!("{name}: {}", entry.status_message))),
                None => Ok(device),
            }
        };
        let mut digests = Vec::new();
        in_pieces(reader, &mut |document| {
            digests.extend(part(document)?.reports.iter().map(|report| report.sha256));
            Ok(())
        })?;
        file.not_whole(&digests).map_or(Ok(()), Err)?;
        let mut all = Taken::default();
        in_pieces(reader, &mut |document| {
            all.extend(self.take_part(now, account, part(document)?, &correlation_id)?);
            Ok(())
        })?;
        let (cssm, actor) = (self.clone(), actor.clone());
        self.db.write("files.upload_large", move |tx| {
            let brought = Brought {
                all: all.clone(),
                problems: Vec::new(),
                taken_in: true,
                policy_wanted: false,
                product_instances: 1,
                set_aside: 0,
            };
            let answered = (name.as_str(), brought, correlation_id.as_str());
            cssm.answer_file(tx, now, &actor, account, answered)
        })
    }

    /// Everything in a file but its reports, of which one is kept.
    pub(crate) fn outline<R: Read + Seek>(
        &self,
        now: Timestamp,
        name: &str,
        reader: &mut R,
    ) -> Result<DeviceFile, Error> {
        let mut whole: Option<Document> = None;
        in_pieces(reader, &mut |mut document| {
            match &mut whole {
                Some(whole) => {
                    document.reports.clear();
                    whole.join(document).map_err(PiecesError::Document)?;
                }
                None => {
                    document.reports.truncate(1);
                    whole = Some(document);
                }
            }
            Ok(())
        })?;
        let document = whole.unwrap_or_default();
        let text: Arc<str> = "".into();
        collected::from_document(self.suite.as_ref(), now, &self.id, name, text, document)
    }

    fn take_part(
        &self,
        now: Timestamp,
        account: Account,
        device: VerifiedDevice,
        correlation_id: &str,
    ) -> Result<Taken, Error> {
        let correlation_id = correlation_id.to_owned();
        self.db.write("files.take_part", move |tx| {
            virtual_account(tx, account.0, account.1)?;
            let hop = Hop::Person(None);
            match collected::take(tx, now, account, &device, hop, &correlation_id)? {
                Took::Taken(taken) => Ok(taken),
                Took::Refused(text) => Err(Error::Conflict(text)),
                Took::SetAside(_) => {
                    let text = set_aside::words(&device.udi);
                    Err(Error::Conflict(format!(
                        "{text}; a file of this size is not set aside: upload it there, or transfer the \
                         product instance first"
                    )))
                }
            }
        })
    }
}

pub(crate) fn in_pieces<R: Read + Seek>(
    reader: &mut R,
    take: &mut dyn FnMut(Document) -> Result<(), Error>,
) -> Result<(), Error> {
    reader.rewind().map_err(Error::Unwritten)?;
    read_in_pieces(reader, &mut |_, document| take(document))
}
