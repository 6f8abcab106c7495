//! The bundle that a collector and CSSM exchange, by file or by wire (guide p. 24, 28; CSLU-019, G-04).
//!
//! `UD_SA_<time>.tar.gz` holds `manifest.mf` and one `UD_VA_<time>.tar.gz` for each virtual account, and that holds
//! one text file for each device. The answer has the same form, each name with `ACK_` before it. The manifest names
//! accounts and digests and is signed by whoever wrote the bundle; what lies inside is signed by devices or by CSSM.

use std::io::{Read, Seek, Write};

use aws_lc_rs::digest;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::archive::{ArchiveError, ArchiveLimits, ArchiveWriter, Found, Member, read_archive};
use crate::crypto::{CryptoError, PublicKey, SignerCertificate, SignerIdentity, Suite};
use crate::text::{base64, from_base64};
use crate::time::Timestamp;
use crate::{Signer, SigningIdentity};

/// The name of the manifest in a bundle.
pub const MANIFEST_NAME: &str = "manifest.mf";
/// The largest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Why a bundle was refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The archive around it.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Not a manifest.
    #[error("the manifest of the bundle cannot be read: {0}")]
    Manifest(&'static str),
    /// The manifest is signed, and by someone else or with other words.
    #[error(
        "the signature of the bundle's manifest does not verify: it was altered after it was written"
    )]
    Signature,
    /// The manifest is signed by CSSM, but not by one that is trusted here.
    #[error("the bundle's manifest is not signed by the CSSM that is trusted here: {0}")]
    Signer(CryptoError),
    /// What lies inside is not what the manifest says.
    #[error(
        "{0} in the bundle is not what its manifest says: it was altered or copied only in part"
    )]
    Digest(String),
    /// Something lies in a signed bundle that the signature does not cover.
    #[error("{0} lies in the bundle beside what its manifest signs: it was added afterwards")]
    Beside(String),
    /// The signature covers something that is not there.
    #[error("the bundle lacks a part that its manifest names")]
    Lacks,
    /// More than one manifest.
    #[error("the bundle holds more than one manifest")]
    TwoManifests,
}

/// Who may have signed a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestKey {
    /// A collector, by its own key.
    Collector(PublicKey),
    /// CSSM, by a certificate that leads up to its root.
    Certificate(SignerCertificate),
}

/// One virtual account's part of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundlePart {
    /// The name of its archive.
    pub name: String,
    /// The virtual account; empty where the writer did not say.
    pub virtual_account: String,
    /// Its number, if the writer knows it.
    pub virtual_account_id: Option<i64>,
    /// The digest of the archive's bytes, if the writer gave it.
    pub sha256: Option<[u8; 32]>,
}

/// What a bundle says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Names the bundle: one that is sent again has the same.
    pub id: String,
    /// What wrote it, e.g. `CSLU lab`.
    pub created_by: String,
    /// The smart account; empty where the writer did not say.
    pub smart_account: String,
    /// Its number, if the writer knows it.
    pub smart_account_id: Option<i64>,
    /// Its parts.
    pub parts: Vec<BundlePart>,
}

/// A manifest as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedManifest {
    /// What it says.
    pub manifest: Manifest,
    /// Whose signature it bears, if any.
    pub key: Option<ManifestKey>,
    text: String,
    signature: Vec<u8>,
}

impl Manifest {
    fn text(&self) -> String {
        let id = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
        let created_by = serde_json::json!({ "uuid": self.id, "name": self.created_by });
        let created_by = serde_json::Value::String(created_by.to_string());
        let mut text = format!(
            "Manifest-Version: 1.0\nCreated-By: {created_by}\nSmart-Account: {}\n\
             Smart-Account-ID: {}\n",
            self.smart_account,
            id(self.smart_account_id)
        );
        for part in &self.parts {
            text.push_str(&format!(
                "\nName: /{}\nSpecification-VA: {}\nSpecification-VA-ID: {}\n",
                part.name,
                part.virtual_account,
                id(part.virtual_account_id)
            ));
            if let Some(sha256) = part.sha256 {
                text.push_str(&format!("SHA-256-Digest: {}\n", base64(&sha256)));
            }
        }
        text
    }

    /// The manifest as a collector writes and signs it.
    #[must_use]
    pub fn signed_by_collector(&self, signer: &dyn Signer) -> String {
        let key = format!("Public-Key: {}", signer.public_key().to_text());
        self.signed(&key, signer)
    }

    /// The manifest as CSSM writes and signs it.
    #[must_use]
    pub fn signed_by_cssm(&self, issuer: &SigningIdentity) -> String {
        let key = format!("Signing-Certificate: {}", base64(&issuer.certificate.0));
        self.signed(&key, issuer.signer.as_ref())
    }

    fn signed(&self, key: &str, signer: &dyn Signer) -> String {
        let mut text = format!("{}\n{key}\n", self.text());
        let signature = base64(&signer.sign(text.as_bytes()));
        text.push_str(&format!("Signature: {signature}\n"));
        text
    }
}

impl SignedManifest {
    /// Reads a manifest, also one that an editor saved with other line ends or a byte order mark.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(BundleError::Manifest("it is too large"));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| BundleError::Manifest("it is no text"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        if !text.starts_with("Manifest-Version:") {
            return Err(BundleError::Manifest("it does not begin with Manifest-Version"));
        }
        let (signed, signature) = match text.rfind("\nSignature:") {
            Some(at) => {
                let value = text[at + "\nSignature:".len()..].trim();
                let bad = BundleError::Manifest("its signature is not base64");
                (text[..=at].to_owned(), from_base64(value).ok_or(bad)?)
            }
            None => (text, Vec::new()),
        };
        let mut manifest = Manifest {
            id: String::new(),
            created_by: String::new(),
            smart_account: String::new(),
            smart_account_id: None,
            parts: Vec::new(),
        };
        let mut key = None;
        for line in signed.lines() {
            if let Some((name, value)) = line.split_once(':') {
                manifest.field(name.trim(), value.trim(), &mut key)?;
            }
        }
        if key.is_none() != signature.is_empty() {
            return Err(BundleError::Signature);
        }
        Ok(Self { manifest, key, text: signed, signature })
    }

    /// Whether the signature is that of the collector's key the manifest names.
    ///
    /// # Errors
    /// When it is signed otherwise or not as it stands.
    pub fn verify_collector(&self, suite: &dyn Suite) -> Result<&PublicKey, BundleError> {
        match &self.key {
            Some(ManifestKey::Collector(key))
                if suite.verify(key, self.text.as_bytes(), &self.signature) =>
            {
                Ok(key)
            }
            _ => Err(BundleError::Signature),
        }
    }

    /// Whether the signature is CSSM's, by a certificate under `root`.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify_cssm(
        &self,
        suite: &dyn Suite,
        root: &[u8],
        now: Timestamp,
    ) -> Result<SignerIdentity, BundleError> {
        let Some(ManifestKey::Certificate(certificate)) = &self.key else {
            return Err(BundleError::Signature);
        };
        let identity = suite.verify_chain(root, certificate, now).map_err(BundleError::Signer)?;
        if suite.verify(&identity.public_key, self.text.as_bytes(), &self.signature) {
            Ok(identity)
        } else {
            Err(BundleError::Signature)
        }
    }

    /// Checks the digest of a part that has been read; where nothing is signed, parts without a digest pass.
    ///
    /// # Errors
    /// When it is another one.
    fn check_part(&self, name: &str, sha256: &[u8; 32]) -> Result<(), BundleError> {
        // People put what they carry into folders and pack it anew, but nobody renames what is inside.
        let name = name.rsplit('/').next().unwrap_or(name);
        let part = self.manifest.parts.iter().find(|part| part.name == name);
        match part {
            Some(BundlePart { sha256: Some(told), .. }) if told == sha256 => Ok(()),
            Some(BundlePart { sha256: None, .. }) | None if self.key.is_none() => Ok(()),
            _ => Err(BundleError::Digest(name.to_owned())),
        }
    }

    /// Whether what lies in the bundle is what the manifest says, and nothing else where it is signed.
    fn check_cover(&self, cover: &Cover) -> Result<(), BundleError> {
        for (name, sha256) in &cover.archives {
            self.check_part(name, sha256)?;
        }
        match &cover.beside {
            Some(name) if self.key.is_some() => Err(BundleError::Beside(name.clone())),
            None if self.key.is_some() && cover.archives.len() != self.manifest.parts.len() => {
                Err(BundleError::Lacks)
            }
            _ => Ok(()),
        }
    }
}

impl Manifest {
    fn field(
        &mut self,
        name: &str,
        value: &str,
        key: &mut Option<ManifestKey>,
    ) -> Result<(), BundleError> {
        let number = || value.parse().ok();
        match (name, self.parts.last_mut()) {
            ("Created-By", _) => {
                // A string of JSON that holds JSON; other tools write what they like.
                let inner: Option<String> = serde_json::from_str(value).ok();
                let inner = inner.and_then(|text| serde_json::from_str(&text).ok());
                let inner: serde_json::Value = inner.unwrap_or_default();
                let text = |field: &str| inner[field].as_str().unwrap_or_default().to_owned();
                (self.id, self.created_by) = (text("uuid"), text("name"));
            }
            ("Smart-Account", _) => value.clone_into(&mut self.smart_account),
            ("Smart-Account-ID", _) => self.smart_account_id = number(),
            ("Name", _) => self.parts.push(BundlePart {
                name: value.trim_start_matches('/').to_owned(),
                virtual_account: String::new(),
                virtual_account_id: None,
                sha256: None,
            }),
            ("Specification-VA", Some(part)) => value.clone_into(&mut part.virtual_account),
            ("Specification-VA-ID", Some(part)) => part.virtual_account_id = number(),
            ("SHA-256-Digest", Some(part)) => {
                let bytes = from_base64(value).and_then(|bytes| bytes.try_into().ok());
                part.sha256 = Some(bytes.ok_or(BundleError::Manifest("a digest is damaged"))?);
            }
            ("Public-Key", _) => {
                let bad = BundleError::Manifest("its public key is damaged");
                *key = Some(ManifestKey::Collector(PublicKey::from_text(value).ok_or(bad)?));
            }
            ("Signing-Certificate", _) => {
                let bad = BundleError::Manifest("its certificate is damaged");
                let certificate = SignerCertificate(from_base64(value).ok_or(bad)?);
                *key = Some(ManifestKey::Certificate(certificate));
            }
            _ => {}
        }
        Ok(())
    }
}

/// What a collector signs to show that it holds its key, when it is registered for a virtual account.
#[must_use]
pub fn registration_text(smart_account: &str, virtual_account: &str, name: &str) -> String {
    format!("Collector Registration\n{smart_account}\n{virtual_account}\n{name}")
}

/// What is found in a bundle, in its order.
#[derive(Clone, Debug)]
pub enum InBundle<'a> {
    /// Its manifest.
    Manifest(&'a SignedManifest),
    /// The file of a device.
    Device(Member),
}

/// What a manifest has to cover.
#[derive(Default)]
struct Cover {
    archives: Vec<(String, [u8; 32])>,
    /// A file that lies beside the archives.
    beside: Option<String>,
}

/// Reads a bundle, or a plain archive of devices' files, and hands over what is in it as it comes. Only when all has been
/// read is it known to be whole and as its manifest says; whose signature the manifest bears is for the caller to check.
///
/// # Errors
/// When it is no archive or exceeds a limit, when it is not as its manifest says, or what `visit` says.
pub fn read_bundle<E: From<BundleError> + From<ArchiveError>>(
    reader: &mut dyn Read,
    limits: ArchiveLimits,
    visit: &mut dyn FnMut(InBundle<'_>) -> Result<(), E>,
) -> Result<Option<SignedManifest>, E> {
    let (mut manifest, mut cover): (Option<SignedManifest>, _) = (None, Cover::default());
    read_archive(reader, limits, &mut |found| {
        match found {
            Found::File { level: 1, member } if is_manifest(&member.name) => {
                if manifest.is_some() {
                    return Err(BundleError::TwoManifests.into());
                }
                let read = manifest.insert(SignedManifest::parse(&member.bytes)?);
                visit(InBundle::Manifest(read))?;
            }
            Found::File { level, member } => {
                if level == 1 && cover.beside.is_none() {
                    cover.beside = Some(member.name.clone());
                }
                visit(InBundle::Device(member))?;
            }
            Found::Archive { name, sha256 } => cover.archives.push((name, sha256)),
        }
        Ok::<(), E>(())
    })?;
    if let Some(manifest) = &manifest {
        manifest.check_cover(&cover)?;
    }
    Ok(manifest)
}

/// The manifest at the beginning of a bundle, if that is where it stands; no more than that is read.
///
/// # Errors
/// When it is no archive, or what begins it is no manifest.
pub fn first_manifest(reader: &mut dyn Read) -> Result<Option<SignedManifest>, BundleError> {
    /// Reading ends with the first file.
    enum End {
        Found(Option<Box<SignedManifest>>),
        Bad(BundleError),
    }
    impl From<ArchiveError> for End {
        fn from(error: ArchiveError) -> Self {
            Self::Bad(error.into())
        }
    }
    const LIMITS: ArchiveLimits = ArchiveLimits {
        total_bytes_max: MANIFEST_BYTES_MAX as u64,
        member_bytes_max: MANIFEST_BYTES_MAX as u64,
        members_max: 1,
    };
    let read = read_archive(reader, LIMITS, &mut |found| {
        Err::<(), End>(match found {
            Found::File { level: 1, member } if is_manifest(&member.name) => {
                match SignedManifest::parse(&member.bytes) {
                    Ok(manifest) => End::Found(Some(Box::new(manifest))),
                    Err(error) => End::Bad(error),
                }
            }
            _ => End::Found(None),
        })
    });
    match read {
        Ok(()) => Ok(None),
        Err(End::Found(manifest)) => Ok(manifest.map(|manifest| *manifest)),
        Err(End::Bad(error)) => Err(error),
    }
}

fn is_manifest(name: &str) -> bool {
    name.rsplit('/').next() == Some(MANIFEST_NAME)
}

/// Writes a bundle of one virtual account: the devices' files into `scratch` first, since their digest stands before
/// them.
pub struct BundleWriter<S: Write> {
    part: ArchiveWriter<GzEncoder<Digesting<S>>>,
    part_name: String,
    now: Timestamp,
}

impl<S: Read + Write + Seek> BundleWriter<S> {
    /// Begins a bundle whose part has this name.
    pub fn new(scratch: S, part_name: String, now: Timestamp) -> Self {
        let context = digest::Context::new(&digest::SHA256);
        let out = Digesting { out: scratch, context, bytes: 0 };
        let part = ArchiveWriter::new(GzEncoder::new(out, Compression::fast()), now);
        Self { part, part_name, now }
    }

    /// Adds a device's file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        self.part.add(name, text.len() as u64, text.as_bytes())
    }

    /// Writes the bundle: `manifest` without parts, which `sign` makes a text of once its part is known.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish<W: Write>(
        self,
        mut manifest: Manifest,
        (virtual_account, virtual_account_id): (&str, Option<i64>),
        sign: impl FnOnce(&Manifest) -> String,
        out: W,
    ) -> std::io::Result<W> {
        let Digesting { out: mut scratch, context, bytes } = self.part.finish()?.finish()?;
        let sha256 = context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        manifest.parts.push(BundlePart {
            name: self.part_name.clone(),
            virtual_account: virtual_account.to_owned(),
            virtual_account_id,
            sha256: Some(sha256),
        });
        let text = sign(&manifest);
        // What is inside is compressed already.
        let outer = GzEncoder::new(out, Compression::none());
        let mut outer = ArchiveWriter::new(outer, self.now);
        outer.add(MANIFEST_NAME, text.len() as u64, text.as_bytes())?;
        scratch.rewind()?;
        outer.add(&self.part_name, bytes, scratch.take(bytes))?;
        outer.finish()?.finish()
    }
}

/// Counts and digests what is written through it.
struct Digesting<S> {
    out: S,
    context: digest::Context,
    bytes: u64,
}

impl<S: Write> Write for Digesting<S> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.context.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// The time in the names of a bundle: `21Aug07_13_05_09_000`.
#[must_use]
pub fn bundle_time(now: Timestamp) -> String {
    let t = now.civil();
    format!(
        "{:02}{}{:02}_{:02}_{:02}_{:02}_000",
        t.year.rem_euclid(100),
        t.month_name(),
        t.day,
        t.hour,
        t.minute,
        t.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimulatedSuite;

    struct Zero(u8);

    impl crate::Random for Zero {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            id: "0b5f".to_owned(),
            created_by: "CSLU lab".to_owned(),
            smart_account: "Example: Networks".to_owned(),
            smart_account_id: Some(7),
            parts: vec![BundlePart {
                name: "UD_VA_21Aug07_13_05_09_000.tar.gz".to_owned(),
                virtual_account: "Default".to_owned(),
                virtual_account_id: None,
                sha256: Some([7; 32]),
            }],
        }
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written_also_through_an_editor() {
        // CSLU-019, G-04
        let signer = SimulatedSuite.generate_device_key(&mut Zero(1)).unwrap();
        let text = manifest().signed_by_collector(signer.as_ref());
        for text in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let read = SignedManifest::parse(text.as_bytes()).unwrap();
            assert_eq!(read.manifest, manifest());
            assert_eq!(read.verify_collector(&SimulatedSuite).unwrap(), signer.public_key());
        }
        for (from, to) in [("Default", "default"), ("0b5f", "0b5e"), ("uuid", "UUID")] {
            let read = SignedManifest::parse(text.replace(from, to).as_bytes()).unwrap();
            assert!(matches!(read.verify_collector(&SimulatedSuite), Err(BundleError::Signature)));
        }
    }

    #[test]
    fn a_part_is_what_the_manifest_says() {
        let signer = SimulatedSuite.generate_device_key(&mut Zero(1)).unwrap();
        let text = manifest().signed_by_collector(signer.as_ref());
        let read = SignedManifest::parse(text.as_bytes()).unwrap();
        let name = &manifest().parts[0].name;
        assert!(read.check_part(name, &[7; 32]).is_ok());
        assert!(matches!(read.check_part(name, &[8; 32]), Err(BundleError::Digest(_))));
        assert!(read.check_part("another.tar.gz", &[7; 32]).is_err());
    }

    #[test]
    fn the_manifest_of_other_tools_is_read() {
        let text = "Manifest-Version: 1.0\nCreated-By: \"{\\\"uuid\\\": \\\"foofoo\\\"}\"\n\
                    Smart-Account: \nSmart-Account-ID: \n\nName: /UD_VA_1.ta.gz\n\
                    Specification-VA: \nSpecification-VA-ID: ";
        let read = SignedManifest::parse(text.as_bytes()).unwrap();
        assert_eq!((read.manifest.id.as_str(), read.key), ("foofoo", None));
        assert_eq!(read.manifest.parts[0].name, "UD_VA_1.ta.gz");
    }

    #[test]
    fn names_carry_the_time_in_the_public_form() {
        assert_eq!(bundle_time(Timestamp(1_628_341_509)), "21Aug07_13_05_09_000");
    }
}
