//! What a device's part of a file or a bundle holds, and taking it in.

use rumline_protocol::{
    Acknowledgement, Document, PublicKey, SignedReport, StatusCode, Suite, Timestamp, TrustCode,
    TrustRequest, Udi,
};
use rumline_store::Tx;

use crate::Error;
use crate::ingest::{self, VerifiedReport};
use crate::instances::{self, About, Instance};
use crate::trust;

/// The most trust requests of one device: its supervisors and some.
const TRUST_REQUESTS_MAX: usize = 16;

/// A device's file, read and checked as far as that needs no database.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFile {
    pub udi: Udi,
    /// The key it claims; files of other tools leave it out.
    pub key: Option<PublicKey>,
    pub reports: Vec<SignedReport>,
    pub trust_requests: Vec<TrustRequest>,
    pub about: About,
}

/// A device's file whose signatures have been checked with one key.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedDevice {
    pub udi: Udi,
    pub key: PublicKey,
    pub reports: Vec<VerifiedReport>,
    /// An answer for each report that does not verify: it must not hold the others back.
    pub refused: Vec<Acknowledgement>,
    pub trust_requests: Vec<TrustRequest>,
    pub about: About,
}

/// By whom a device's file came, and so what it may do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hop<'a> {
    /// A person, who says which virtual account it is for; the bundle's writer, if it was one.
    Person(Option<&'a str>),
    /// A registered collector, which speaks for its own virtual account only.
    Collector(&'a str),
}

impl Hop<'_> {
    /// The collector on the way, if there was one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Person(name) => *name,
            Self::Collector(name) => Some(name),
        }
    }

    /// A refusal that names the hop.
    fn blame(&self, text: &str) -> String {
        match self.name() {
            Some(name) => format!("{text}; it came through {name}"),
            None => text.to_owned(),
        }
    }
}

/// Reads a device's file. One the device wrote itself is signed as a whole.
pub(crate) fn parse(suite: &dyn Suite, name: &str, bytes: &[u8]) -> Result<DeviceFile, Error> {
    let bad = |text: String| Error::invalid(format!("{name}: {text}"));
    let mut document = Document::parse(bytes).map_err(|error| bad(error.to_string()))?;
    let first = document.reports.first().map(|signed| signed.report.clone());
    let mut about = About {
        identifier: first.as_ref().map_or(String::new(), |r| r.product_instance_identifier.clone()),
        hostname: None,
        software_version: first.as_ref().map(|report| report.software_version.clone()),
        software_tag: first.as_ref().map_or(String::new(), |report| report.software_tag.clone()),
    };
    let (udi, key) = if let Some(info) = &document.system_info {
        if !info.verify(suite, &info.value.public_key) {
            return Err(bad("the signature of the device does not verify".to_owned()));
        }
        let info = &info.value;
        about.hostname.clone_from(&info.hostname);
        about.software_version.clone_from(&info.software_version);
        about.software_tag.clone_from(&info.software_tag_identifier);
        (info.sudi.clone(), Some(info.public_key.clone()))
    } else if let Some(info) = document.device_info.take() {
        about.hostname = info.hostname;
        about.software_version = info.software_version.or(about.software_version);
        if !info.software_tag_identifier.is_empty() {
            about.software_tag = info.software_tag_identifier;
        }
        (info.sudi, info.public_key)
    } else {
        let report = first.ok_or_else(|| bad("it holds no RUM report".to_owned()))?;
        (report.udi, None)
    };
    udi.check().map_err(|error| bad(error.to_string()))?;
    let mut trust_requests = Vec::new();
    for signed in document.trust_requests.into_iter().take(TRUST_REQUESTS_MAX) {
        trust_requests.push(trust::check_request(suite, signed)?);
    }
    let key = key.or_else(|| trust_requests.first().map(|request| request.public_key.clone()));
    let about = about.bounded();
    Ok(DeviceFile { udi, key, reports: document.reports, trust_requests, about })
}

/// Checks a device's reports with its key: the one it claims or the one it is known by.
pub(crate) fn verify(
    suite: &dyn Suite,
    file: DeviceFile,
    known: Option<&PublicKey>,
    hop: Hop<'_>,
    correlation_id: &str,
) -> Result<VerifiedDevice, Error> {
    let Some(key) = file.key.as_ref().or(known).cloned() else {
        return Err(Error::invalid(format!(
            "{}: the file does not hold the device's key, and it is not known",
            file.udi
        )));
    };
    let (mut reports, mut refused) = (Vec::with_capacity(file.reports.len()), Vec::new());
    for signed in file.reports {
        let told = ingest::entry(&signed.report, StatusCode::Failed, "", correlation_id);
        match ingest::verify(suite, &file.udi, &key, signed) {
            Ok(report) => reports.push(report),
            Err(error) => refused.push(told.with_message(&hop.blame(&error.to_string()))),
        }
    }
    let (udi, trust_requests, about) = (file.udi, file.trust_requests, file.about);
    Ok(VerifiedDevice { udi, key, reports, refused, trust_requests, about })
}

/// What taking a device's file led to.
#[derive(Default)]
pub(crate) struct Taken {
    pub entries: Vec<Acknowledgement>,
    pub trust_codes: Vec<TrustCode>,
    pub new: i64,
    pub known: i64,
}

/// A device unknown so far is registered with the key it signed with; another key for a known one is refused.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: (i64, i64),
    device: &VerifiedDevice,
    hop: Hop<'_>,
    correlation_id: &str,
) -> Result<Taken, Error> {
    let instance = admit(tx, now, account, device, hop)?;
    let outcome = ingest::store(tx, now, &instance, &device.reports, correlation_id, hop.name())?;
    if outcome.new > 0 {
        instances::note_report(tx, now, &instance, instance.window(), &device.about)?;
    }
    let trust_codes =
        trust::issue_for_device(tx, now, &instance, &device.trust_requests, &device.about)?;
    let sql = "UPDATE product_instance SET last_ack_at = $1, last_contact_at = $1 WHERE id = $2";
    tx.execute(sql, &[now.0.into(), instance.id.into()])?;
    let mut entries = outcome.entries;
    entries.extend(device.refused.iter().cloned());
    Ok(Taken { entries, trust_codes, new: outcome.new, known: outcome.known })
}

/// Finds or registers the device, and refuses what would take it away from its owner.
fn admit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: (i64, i64),
    device: &VerifiedDevice,
    hop: Hop<'_>,
) -> Result<Instance, Error> {
    let refuse = |text: String| Err(Error::Conflict(hop.blame(&text)));
    let (udi, (smart_account_id, virtual_account_id)) = (&device.udi, account);
    let mut known = match instances::find(tx, udi)? {
        Some(known) if !known.removed => known,
        known => {
            let (key, about) = (&device.key, &device.about);
            return instances::register(tx, now, known, account, udi, key, about);
        }
    };
    if known.smart_account_id != smart_account_id {
        return refuse(format!("{udi} is already registered in another Smart Account"));
    }
    if known.public_key != device.key {
        return refuse(format!("{udi} is known with another key"));
    }
    if known.virtual_account_id == virtual_account_id {
        return Ok(known);
    }
    match hop {
        // A person with rights in the whole account decides where the device belongs (PI-RUM-028).
        Hop::Person(Some(_)) => {
            let sql = "UPDATE product_instance SET virtual_account_id = $1 WHERE id = $2";
            tx.execute(sql, &[virtual_account_id.into(), known.id.into()])?;
            known.virtual_account_id = virtual_account_id;
            Ok(known)
        }
        Hop::Person(None) => Ok(known),
        Hop::Collector(_) => refuse(format!("{udi} is already registered with another account")),
    }
}

/// A refusal of everything a device sent, as an answer to each of its reports.
pub(crate) fn refuse_all(device: &VerifiedDevice, text: &str, correlation_id: &str) -> Taken {
    let refused = device
        .reports
        .iter()
        .map(|verified| ingest::entry(&verified.report, StatusCode::Failed, text, correlation_id));
    let entries = refused.chain(device.refused.iter().cloned()).collect();
    Taken { entries, ..Taken::default() }
}
