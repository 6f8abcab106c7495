//! What stands in a usage file that somebody chose, before anything of it is taken (CSSM-017).

use std::io::{Read, Seek};

use rumline_protocol::{InBundle, Timestamp, is_gzip, is_tar, read_bundle};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundles::LIMITS;
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::large_files::in_pieces;
use crate::{Cssm, Error, instances};

/// Product instances of a file that are named.
const NAMED_MAX: usize = 100;
/// A file of up to this size is read whole.
const WHOLE_BYTES_MAX: u64 = 32 << 20;

/// A product instance of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundInFile {
    /// Its UDI; for what cannot be read the name of its file.
    pub udi: String,
    /// Its reports in the file.
    pub reports: i64,
    /// The virtual account of this smart account that it is in, if it is in one.
    pub virtual_account_id: Option<VirtualAccountId>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// What stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookedInto {
    /// Its product instances.
    pub count: i64,
    /// The first hundred of them.
    pub instances: Vec<FoundInFile>,
    /// Who wrote it, if it is the bundle of a collector.
    pub created_by: Option<String>,
    /// The virtual account that such a bundle is for.
    pub virtual_account: Option<String>,
}

impl Cssm {
    /// Reads a usage file through and takes nothing of it.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn look_into<R: Read + Seek>(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        reader: &mut R,
    ) -> Result<LookedInto, Error> {
        let mut head = Vec::new();
        reader.by_ref().take(512).read_to_end(&mut head).map_err(Error::Unwritten)?;
        let bytes = reader.seek(std::io::SeekFrom::End(0)).map_err(Error::Unwritten)?;
        reader.rewind().map_err(Error::Unwritten)?;
        if is_gzip(&head) || is_tar(&head) {
            return self.look_into_archive(now, smart_account_id, reader);
        }
        if bytes <= WHOLE_BYTES_MAX {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(Error::Unwritten)?;
            let found = self.look_at(now, smart_account_id, "the file", &bytes)?;
            if let Some(problem) = found.problem {
                return Err(Error::Invalid(problem));
            }
            return Ok(LookedInto { count: 1, instances: vec![found], ..LookedInto::default() });
        }
        let mut reports = 0;
        let file = self.outline(now, "the file", reader)?;
        in_pieces(reader, &mut |document| {
            reports += i64::try_from(document.reports.len()).unwrap_or(0);
            Ok(())
        })?;
        let known = self.virtual_account_of_udi(smart_account_id, file.udi.clone())?;
        let found = FoundInFile {
            udi: file.udi.to_string(),
            reports,
            virtual_account_id: known,
            problem: None,
        };
        Ok(LookedInto { count: 1, instances: vec![found], ..LookedInto::default() })
    }

    fn look_into_archive(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        reader: &mut dyn Read,
    ) -> Result<LookedInto, Error> {
        let mut looked = LookedInto::default();
        let manifest = read_bundle(reader, LIMITS, &mut |found| {
            let InBundle::Device(member) = found else { return Ok(()) };
            looked.count += 1;
            if looked.instances.len() < NAMED_MAX {
                let found = self.look_at(now, smart_account_id, &member.name, &member.bytes)?;
                looked.instances.push(found);
            }
            Ok::<(), Error>(())
        })?;
        if looked.count == 0 && manifest.is_none() {
            return Err(Error::invalid("the archive holds no file"));
        }
        let part = manifest.as_ref().and_then(|manifest| manifest.manifest.parts.first());
        let part = part.map(|part| part.virtual_account.clone());
        looked.virtual_account = part.filter(|name| !name.is_empty());
        let created_by = manifest.map(|manifest| manifest.manifest.created_by);
        looked.created_by = created_by.filter(|by| !by.is_empty());
        Ok(looked)
    }

    /// The file of one product instance.
    fn look_at(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        name: &str,
        bytes: &[u8],
    ) -> Result<FoundInFile, Error> {
        let unread = |problem: String| FoundInFile {
            udi: name.to_owned(),
            reports: 0,
            virtual_account_id: None,
            problem: Some(problem),
        };
        let device = match self.verify_file(now, name, bytes, "") {
            Ok(device) => device,
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => return Ok(unread(error.to_string())),
        };
        let refused = device.refused.first();
        let problem = refused.map(|entry| format!("{name}: {}", entry.status_message));
        let reports = i64::try_from(device.reports.len()).unwrap_or(0);
        let known = self.virtual_account_of_udi(smart_account_id, device.udi.clone())?;
        Ok(FoundInFile { udi: device.udi.to_string(), reports, virtual_account_id: known, problem })
    }

    fn virtual_account_of_udi(
        &self,
        smart_account_id: SmartAccountId,
        udi: rumline_protocol::Udi,
    ) -> Result<Option<VirtualAccountId>, Error> {
        let found = self.db.read("looking.known", move |tx: &mut Tx<'_>| {
            let known = instances::find(tx, &udi)?;
            // Of another account's product instances nothing is told.
            let own = known.filter(|known| known.smart_account_id == smart_account_id);
            Ok::<_, Error>(own.filter(|own| !own.removed).map(|own| own.virtual_account_id))
        })?;
        Ok(found)
    }
}
