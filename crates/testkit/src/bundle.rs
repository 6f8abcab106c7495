//! Bundles as their thieves and menders write them.

use std::io::Cursor;

use rumline_protocol::{
    ArchiveLimits, BundleWriter, MANIFEST_NAME, Manifest, SignedManifest, Signer, read_members,
};

use crate::START;

const LIMITS: ArchiveLimits =
    ArchiveLimits { total_bytes_max: 1 << 24, member_bytes_max: 1 << 24, members_max: 100 };

/// A bundle, opened: what its manifest says, and the devices' files by name.
pub struct OpenBundle {
    pub manifest: Manifest,
    pub files: Vec<(String, String)>,
}

impl OpenBundle {
    #[must_use]
    pub fn of(bundle: &[u8]) -> Self {
        let (mut manifest, mut files) = (None, Vec::new());
        for member in read_members(bundle, LIMITS).unwrap() {
            if member.name == MANIFEST_NAME {
                manifest = Some(SignedManifest::parse(&member.bytes).unwrap().manifest);
            } else {
                files.push((member.name, String::from_utf8(member.bytes).unwrap()));
            }
        }
        Self { manifest: manifest.unwrap(), files }
    }

    /// Packs it anew; `sign` makes a text of its manifest.
    pub fn pack(&self, sign: impl FnOnce(&Manifest) -> String) -> Vec<u8> {
        let mut manifest = self.manifest.clone();
        let part = manifest.parts.remove(0);
        let mut writer = BundleWriter::new(Cursor::new(Vec::new()), part.name, START);
        for (name, text) in &self.files {
            writer.add(name, text).unwrap();
        }
        let within = (part.virtual_account.as_str(), part.virtual_account_id);
        writer.finish(manifest, within, sign, Vec::new()).unwrap()
    }
}

/// A bundle written anew by whoever holds `signer`, each file edited or left out.
pub fn rewritten(
    bundle: &[u8],
    signer: &dyn Signer,
    mut edit: impl FnMut(&str, String) -> Option<String>,
) -> Vec<u8> {
    let mut open = OpenBundle::of(bundle);
    let files = std::mem::take(&mut open.files);
    let edited = files.into_iter().filter_map(|(name, text)| Some((edit(&name, text)?, name)));
    open.files = edited.map(|(text, name)| (name, text)).collect();
    open.pack(|manifest| manifest.signed_by_collector(signer))
}
