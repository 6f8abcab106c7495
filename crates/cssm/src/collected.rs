//! What a device's part of a file or a bundle holds, and taking it in.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    Acknowledgement, Document, OlderAnswer, OlderWord, PublicKey, Purpose, RefusalReason,
    ReportRequest, SignedReport, StatusCode, Suite, SystemInfo, Timestamp, TrustCode, TrustRequest,
    Udi, is_not_of_the_future, plain,
};
use rumline_store::Tx;

use crate::accounts::add_event;
use crate::checked::{self, Checked, VerifiedReport};
use crate::claims::{self, ClaimKind, Turned};
use crate::ids::{Account, InstanceId, VirtualAccountId};
use crate::instances::{self, About, Instance};
use crate::registering::{self, Carried};
use crate::{Actor, Error, ingest, lineage, trust};

/// The most trust requests of one device: its supervisors and some.
const TRUST_REQUESTS_MAX: usize = 16;

/// A device's file, read and checked as far as that needs no database.
#[derive(Clone, Debug)]
pub(crate) struct DeviceFile {
    /// As it came, in case it has to wait for a decision.
    pub document: Arc<str>,
    pub udi: Udi,
    /// The key it claims; files of other tools leave it out.
    pub key: Option<PublicKey>,
    pub reports: Vec<SignedReport>,
    pub trust_requests: Vec<TrustRequest>,
    pub about: About,
    /// What a collector passed on, of one that is registered there as before Smart Licensing Using Policy.
    older: Option<OlderWord>,
    /// What the device says of the file, if it wrote it itself.
    told: Option<SystemInfo>,
}

impl DeviceFile {
    /// A part of the file, with some of its reports; whether all of them are there is asked at the end.
    pub(crate) fn part(&self, reports: Vec<SignedReport>) -> Self {
        Self { reports, told: None, ..self.clone() }
    }

    /// What is wrong with these digests of its reports, if they are not those the device put there.
    pub(crate) fn not_whole(&self, digests: &[[u8; 32]]) -> Option<Error> {
        let why = self.told.as_ref()?.not_whole(digests)?;
        Some(Error::invalid(format!("{}: {why}; save it on the device anew", self.udi)))
    }
}

/// A device's file whose signatures have been checked with one key.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedDevice {
    pub document: Arc<str>,
    pub udi: Udi,
    pub key: PublicKey,
    pub reports: Vec<VerifiedReport>,
    /// An answer for each report that does not verify: it must not hold the others back.
    pub refused: Vec<Acknowledgement>,
    pub trust_requests: Vec<TrustRequest>,
    pub about: About,
    pub older: Option<Carried>,
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

/// Reads a device's file. One the device wrote itself is signed as a whole: what it holds must be what was put in.
pub(crate) fn parse(
    suite: &dyn Suite,
    now: Timestamp,
    cssm: &str,
    name: &str,
    bytes: &[u8],
) -> Result<DeviceFile, Error> {
    let bad = |text: String| Error::invalid(format!("{name}: {text}"));
    let bytes = plain(bytes).map_err(|error| bad(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().into();
    let document = Document::parse(&bytes).map_err(|error| bad(error.to_string()))?;
    from_document(suite, now, cssm, name, text, document)
}

/// What a device's file says, once it is read.
pub(crate) fn from_document(
    suite: &dyn Suite,
    now: Timestamp,
    cssm: &str,
    name: &str,
    text: Arc<str>,
    mut document: Document,
) -> Result<DeviceFile, Error> {
    let bad = |text: String| Error::invalid(format!("{name}: {text}"));
    let first = document.reports.first().map(|signed| signed.report.clone());
    let mut about = About {
        identifier: first.as_ref().map_or(String::new(), |r| r.product_instance_identifier.clone()),
        hostname: None,
        software_version: first.as_ref().map(|report| report.software_version.clone()),
        software_tag: first.as_ref().map_or(String::new(), |report| report.software_tag.clone()),
    };
    let mut older = None;
    let (udi, key) = if let Some(info) = &document.system_info {
        if !info.verify(suite, &info.value.public_key) {
            return Err(bad("the signature of the device does not verify".to_owned()));
        }
        let info = &info.value;
        if info.purpose != Purpose::UsageFile {
            return Err(bad("what the device signed is no usage file".to_owned()));
        }
        if !info.audience.is_empty() && info.audience != cssm {
            return Err(bad("it was written for another CSSM".to_owned()));
        }
        if !is_not_of_the_future(now, info.timestamp) {
            let text =
                format!("it was written at {}, which is to come: check the clock", info.timestamp);
            return Err(bad(text));
        }
        about.hostname.clone_from(&info.hostname);
        about.software_version.clone_from(&info.software_version);
        about.software_tag.clone_from(&info.software_tag_identifier);
        (info.sudi.clone(), Some(info.public_key.clone()))
    } else if let Some(info) = document.device_info.take() {
        older = info.older;
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
    // A request that does not hold any more, or never did, holds nothing else back: the device gets no trust code by it.
    let requests = document.trust_requests.into_iter().take(TRUST_REQUESTS_MAX);
    let requests = requests.map(|signed| trust::check_request(suite, now, cssm, signed));
    let trust_requests: Vec<TrustRequest> = requests.filter_map(Result::ok).collect();
    let key = key.or_else(|| trust_requests.first().map(|request| request.public_key.clone()));
    let about = about.bounded();
    let told = document.system_info.map(|signed| signed.value);
    Ok(DeviceFile {
        document: text,
        udi,
        key,
        reports: document.reports,
        trust_requests,
        about,
        older,
        told,
    })
}

/// Checks a device's reports with its key: the one it claims or the one it is known by.
pub(crate) fn verify(
    suite: &dyn Suite,
    mut file: DeviceFile,
    known: Option<&PublicKey>,
    hop: Hop<'_>,
    (now, cssm, correlation_id): (Timestamp, &str, &str),
) -> Result<VerifiedDevice, Error> {
    let Some(key) = file.key.as_ref().or(known).cloned() else {
        return Err(Error::invalid(format!(
            "{}: the file does not hold the device's key, and it is not known",
            file.udi
        )));
    };
    let mut checked = Checked::default();
    for signed in std::mem::take(&mut file.reports) {
        // A file holds what each supervisor of the chassis reported.
        let udi = if is_supervisor_of(&file.udi, &signed.report.udi) {
            signed.report.udi.clone()
        } else {
            file.udi.clone()
        };
        checked.check(suite, (&udi, &key), cssm, signed, correlation_id);
    }
    let Checked { reports, mut refused, .. } = checked;
    for entry in &mut refused {
        *entry = entry.clone().with_message(&hop.blame(&entry.status_message));
    }
    if refused.is_empty() && file.told.is_some() {
        let digests: Vec<[u8; 32]> = reports.iter().map(|report| report.sha256).collect();
        file.not_whole(&digests).map_or(Ok(()), Err)?;
    }
    let older = match &file.older {
        Some(word) => Some(Carried::check(suite, now, cssm, (&file.udi, &key), word)?),
        None => None,
    };
    let DeviceFile { document, udi, trust_requests, about, .. } = file;
    Ok(VerifiedDevice { document, udi, key, reports, refused, trust_requests, about, older })
}

/// Whether two may be supervisors of one chassis: of one model, which has two. That they have one key shows that they are.
fn is_supervisor_of(udi: &Udi, other: &Udi) -> bool {
    udi != other && udi.pid == other.pid && Catalogue::nexus().may_have_standby(&udi.pid)
}

/// What taking a device's file led to.
#[derive(Clone, Default)]
pub(crate) struct Taken {
    /// Product ids that are in no table here.
    pub unknown: BTreeSet<String>,
    /// Whose it is.
    pub instances: BTreeSet<InstanceId>,
    pub entries: Vec<Acknowledgement>,
    pub trust_codes: Vec<TrustCode>,
    pub report_requests: Vec<ReportRequest>,
    pub older: Vec<OlderAnswer>,
    pub new: i64,
    pub known: i64,
}

impl Taken {
    pub(crate) fn extend(&mut self, other: Self) {
        self.instances.extend(other.instances);
        self.unknown.extend(other.unknown);
        self.entries.extend(other.entries);
        self.trust_codes.extend(other.trust_codes);
        self.report_requests.extend(other.report_requests);
        self.older.extend(other.older);
        self.new += other.new;
        self.known += other.known;
    }
}

/// What became of a device's file.
pub(crate) enum Took {
    Taken(Taken),
    /// The device is not of this account, or its key is not the known one: nothing was taken.
    Refused(String),
    /// The device is of this other virtual account: whoever may administer both decides.
    SetAside(VirtualAccountId),
}

/// A device unknown so far is registered with the key it signed with; another key for a known one is refused.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: Account,
    device: &VerifiedDevice,
    hop: Hop<'_>,
    correlation_id: &str,
) -> Result<Took, Error> {
    if let Some(word) = &device.older
        && device.reports.is_empty()
        && let Some(answer) =
            registering::gone(tx, now, account, (&device.udi, &device.key), (word, &device.about))?
    {
        return Ok(Took::Taken(Taken { older: vec![answer], ..Taken::default() }));
    }
    let mut instance = match admit(tx, now, account, device, hop)? {
        Ok(instance) => instance,
        Err(refusal) => return Ok(refusal),
    };
    let mut stored = ingest::Outcome::default();
    let mut report_requests = Vec::new();
    let mut speakers = Vec::new();
    for (udi, reports) in by_supervisor(&device.reports) {
        let mate = if udi == &instance.udi {
            None
        } else {
            match mate_of(tx, now, &instance, udi, device)? {
                Ok(mate) => Some(mate),
                Err(refusal) => return Ok(refusal),
            }
        };
        speakers.push((mate, reports));
    }
    for (mut mate, reports) in speakers {
        let is_mate = mate.is_some();
        let speaker = mate.as_mut().unwrap_or(&mut instance);
        let of_one = ingest::store(tx, now, speaker, &reports, correlation_id, hop.name())?;
        if of_one.new > 0 {
            instances::note_report(tx, now, speaker, speaker.window(), &device.about)?;
        }
        if is_mate {
            report_requests.extend(lineage::ask_for_missing(tx, now, speaker)?);
        }
        stored.new += of_one.new;
        stored.known += of_one.known;
        stored.entries.extend(of_one.entries);
    }
    let trust_codes =
        trust::issue_for_device(tx, now, &instance, &device.trust_requests, &device.about)?;
    let sql = "UPDATE product_instance SET last_ack_at = $1, last_contact_at = $1 WHERE id = $2";
    tx.execute(sql, &[now.0.into(), instance.id.into()])?;
    let mut entries = stored.entries;
    entries.extend(device.refused.iter().cloned());
    report_requests.extend(lineage::ask_for_missing(tx, now, &instance)?);
    let (new, known) = (stored.new, stored.known);
    let instances = BTreeSet::from([instance.id]);
    let pid = &instance.udi.pid;
    let unknown = instances::unknown_product(pid).map(|_| pid.clone()).into_iter().collect();
    let older = match &device.older {
        Some(word) => {
            let said = (word, &device.about);
            let through = hop.name().unwrap_or("a file");
            vec![registering::carried(tx, now, &instance, said, through)?]
        }
        None => Vec::new(),
    };
    Ok(Took::Taken(Taken {
        unknown,
        instances,
        entries,
        trust_codes,
        report_requests,
        older,
        new,
        known,
    }))
}

/// The reports of each supervisor in a file, in their order.
fn by_supervisor(reports: &[VerifiedReport]) -> BTreeMap<&Udi, Cow<'_, [VerifiedReport]>> {
    let Some(first) = reports.first().map(|report| &report.report.udi) else {
        return BTreeMap::new();
    };
    if reports.iter().all(|report| report.report.udi == *first) {
        return BTreeMap::from([(first, Cow::Borrowed(reports))]);
    }
    let mut by_udi: BTreeMap<&Udi, Cow<'_, [VerifiedReport]>> = BTreeMap::new();
    for report in reports {
        by_udi.entry(&report.report.udi).or_default().to_mut().push(report.clone());
    }
    by_udi
}

/// The other supervisor of a chassis: known with the same key in the same account, or registered beside the one that wrote
/// the file.
fn mate_of(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    udi: &Udi,
    device: &VerifiedDevice,
) -> Result<Result<Instance, Took>, Error> {
    let refused = |text: &str| Ok(Err(Took::Refused(format!("{udi}: {text}"))));
    let mate = match instances::find(tx, udi)? {
        Some(known) if !known.removed && known.public_key != device.key => {
            return refused("it is known with another key than the supervisor beside it");
        }
        Some(known) if !known.removed && known.smart_account_id != instance.smart_account_id => {
            return refused("it is registered in another Smart Account");
        }
        Some(known) if !known.removed => known,
        known => {
            claims::settle(tx, now, instance.smart_account_id, udi)?;
            let (account, key) = (instance.account(), &device.key);
            instances::register(tx, now, known, account, udi, key, &device.about)?
        }
    };
    trust::note_set(tx, Some(instance), &mate)?;
    Ok(Ok(mate))
}

/// Finds or registers the device, and refuses what would take it away from its owner. Whatever is refused waits on the
/// account's list, and both sides are told.
fn admit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    account: Account,
    device: &VerifiedDevice,
    hop: Hop<'_>,
) -> Result<Result<Instance, Took>, Error> {
    let udi = &device.udi;
    let known = match instances::find(tx, udi)? {
        Some(known) if !known.removed => known,
        known => {
            let (key, about) = (&device.key, &device.about);
            claims::settle(tx, now, account.0, udi)?;
            let returned = known.is_some();
            let instance = instances::register(tx, now, known, account, udi, key, about)?;
            if returned {
                let text = format!("{udi}, which was removed, is back");
                let actor = Actor::collector(hop.name().unwrap_or("a file"));
                add_event(tx, now, account.0, &actor, &text)?;
            }
            return Ok(Ok(instance));
        }
    };
    let (kind, text) = if known.smart_account_id != account.0 {
        let text = format!("{udi} is already registered in another Smart Account");
        (ClaimKind::SmartAccount, format!("{text}; its owner has to remove it there first"))
    } else if known.public_key != device.key {
        let text = format!("{udi} is known with another key");
        (ClaimKind::Key, text)
    } else if known.virtual_account_id != account.1 {
        if matches!(hop, Hop::Person(_)) {
            return Ok(Err(Took::SetAside(known.virtual_account_id)));
        }
        let text = format!("{udi} is already registered with another account");
        (ClaimKind::VirtualAccount, text)
    } else {
        return Ok(Ok(known));
    };
    let through = hop.name().unwrap_or("a file");
    let reports = i64::try_from(device.reports.len()).unwrap_or(i64::MAX);
    let turned = Turned { account, kind, key: &device.key, through, reports };
    claims::note(tx, now, &known, &turned)?;
    Ok(Err(Took::Refused(hop.blame(&text))))
}

/// A refusal of everything a device sent, as an answer to each of its reports.
pub(crate) fn refuse_all(device: &VerifiedDevice, text: &str, correlation_id: &str) -> Taken {
    let refused = device.reports.iter().map(|verified| {
        let entry = checked::entry(&verified.report, StatusCode::Failed, text, correlation_id);
        checked::refusal(checked::about(entry, &verified.sha256), RefusalReason::Account)
    });
    let entries = refused.chain(device.refused.iter().cloned()).collect();
    Taken { entries, ..Taken::default() }
}
