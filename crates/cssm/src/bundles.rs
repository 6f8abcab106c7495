//! Bundles of many devices: brought by a collector, or carried by a person (guide p. 24, 28, 73-75; CSLU-019).
//!
//! A bundle is read twice: once to see that it is whole and signed as it stands, once to take in what it holds, some
//! devices at a time. Each piece is durable on its own, so that work cut short goes on where it stopped.

use std::io::{Cursor, Read, Seek, Write};
use std::sync::Arc;
use std::sync::mpsc;

use rumline_protocol::{
    ArchiveLimits, BundleWriter, InBundle, Manifest, Member, PublicKey, SignedManifest, Timestamp,
    Udi, first_manifest, is_gzip, is_tar, read_bundle, sha256_of,
};
use rumline_server::next_id;
use rumline_store::{StoreError, Tx};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::answer::{self, Contents};
use crate::collected::{self, Hop, Taken, Took, VerifiedDevice};
use crate::files::UsageFile;
use crate::ids::{Account, SmartAccountId, UsageFileId, VirtualAccountId};
use crate::standing::{self, Standing};
use crate::{Actor, Cssm, Error, collectors, files, instances, parallel, set_aside};

/// What a bundle may hold: a million devices, and 64 GB of their reports.
pub(crate) const LIMITS: ArchiveLimits =
    ArchiveLimits { total_bytes_max: 64 << 30, member_bytes_max: 64 << 20, members_max: 1_000_100 };
/// What a bundle that comes by wire may hold: it is unpacked in memory.
const WIRE_LIMITS: ArchiveLimits =
    ArchiveLimits { total_bytes_max: 256 << 20, member_bytes_max: 32 << 20, members_max: 10_000 };
/// Devices, and bytes of their files, that are taken in at a time.
const PIECE_DEVICES_MAX: usize = 500;
const PIECE_BYTES_MAX: usize = 8 << 20;
/// Problems of one batch that become events.
const EVENTS_MAX: usize = 20;
/// The longest list of what could not be taken that is kept.
const MESSAGE_CHARS_MAX: usize = 2000;

/// A bundle that has been found whole.
struct Scan {
    manifest: SignedManifest,
    devices: i64,
}

/// The answer to one device: the name of its file and its document.
struct DeviceAnswer {
    name: String,
    document: String,
}

/// What became of a device: the name of its file, and what it is told of the account if it was taken.
struct Outcome {
    name: String,
    taken: Taken,
    standing: Option<Arc<Standing>>,
}

/// A device that waits for a decision: its file, and the virtual account it is of.
struct Aside {
    name: String,
    device: VerifiedDevice,
    virtual_account_id: VirtualAccountId,
}

/// Devices, each by the name of its file.
type NamedDevices = Vec<(String, VerifiedDevice)>;

/// Some devices of a bundle, read and checked.
struct VerifiedPiece {
    members: i64,
    /// The number of the last one.
    place: i64,
    /// Who wrote the bundle.
    by: String,
    correlation_id: String,
    devices: NamedDevices,
    problems: Vec<String>,
}

/// What became of a piece.
struct Piece {
    /// What each device is answered, not signed yet.
    outcomes: Vec<Outcome>,
    aside: Vec<Aside>,
    new: i64,
    known: i64,
    refused: i64,
    problems: Vec<String>,
}

/// Reads a bundle through without taking anything; none when the archive has no manifest.
fn scan(reader: &mut dyn Read) -> Result<Option<Scan>, Error> {
    let mut devices = 0;
    let manifest = read_bundle(reader, LIMITS, &mut |found| {
        devices += i64::from(matches!(found, InBundle::Device(_)));
        Ok::<(), Error>(())
    })?;
    Ok(manifest.map(|manifest| Scan { manifest, devices }))
}

/// `ACK_` before a name.
fn answer_name(name: &str) -> String {
    format!("ACK_{}", name.rsplit('/').next().unwrap_or(name))
}

impl Cssm {
    /// Begins to take in an uploaded bundle: finds it whole, and for the right account. One that was taken in before is
    /// found again. None when what is read is no bundle but a plain archive.
    ///
    /// # Errors
    /// When it is damaged, was altered, or belongs to another account; then nothing of it is taken.
    pub fn begin_bundle<R: Read + Seek>(
        &self,
        now: Timestamp,
        actor: &Actor,
        (smart_account_id, virtual_account_id): Account,
        name: &str,
        reader: &mut R,
    ) -> Result<Option<UsageFile>, Error> {
        let name = files::plain_name(name)?;
        let digest = sha256_of(reader).map_err(Error::Unwritten)?;
        let known = self.db.read("bundles.known", move |tx| {
            files::of_bundle(tx, (smart_account_id, virtual_account_id), &digest)
        })?;
        if known.is_some() {
            return Ok(known);
        }
        reader.rewind().map_err(Error::Unwritten)?;
        let Some(scan) = scan(reader)? else { return Ok(None) };
        if scan.manifest.key.is_some() {
            scan.manifest.verify_collector(self.suite.as_ref())?;
        }
        let (actor, manifest) = (actor.clone(), scan.manifest.manifest);
        let file = self.db.write("bundles.begin", move |tx| {
            let sa = smart_account(tx, smart_account_id)?;
            let va = virtual_account(tx, smart_account_id, virtual_account_id)?;
            check_account(&manifest, &sa.name, &va.name)?;
            // Somebody may have uploaded the same a moment ago.
            if let Some(known) = files::of_bundle(tx, (sa.id, va.id), &digest)? {
                return Ok(known);
            }
            let part = manifest.parts.first().map(|part| part.name.clone()).unwrap_or_default();
            let done = scan.devices == 0;
            let file = UsageFile {
                id: next_id(tx, "usage_file")?,
                name: name.clone(),
                uploaded_at: now.0,
                uploaded_by: actor.name().to_owned(),
                virtual_account_id,
                status: if done { "No Errors" } else { UsageFile::PROCESSING }.to_owned(),
                message: format!("0 of {} product instances.", scan.devices),
                product_instances: scan.devices,
                reports_new: 0,
                reports_known: 0,
                acknowledgement_ready: false,
                set_aside: 0,
            };
            files::insert(tx, smart_account_id, &file, None)?;
            let sql = "UPDATE usage_file SET members = $1, bundle_part = $2, bundle_sha256 = $3
                WHERE smart_account_id = $4 AND id = $5";
            let place = [smart_account_id.into(), file.id.into()];
            let values =
                [scan.devices.into(), (&part).into(), digest[..].into(), place[0], place[1]];
            tx.execute(sql, &values)?;
            let by = if manifest.created_by.is_empty() { "" } else { " of " };
            let text = format!("bundle {name:?}{by}{} uploaded", manifest.created_by);
            add_event(tx, now, smart_account_id, &actor, &text)?;
            Ok::<_, Error>(file)
        })?;
        Ok(Some(file))
    }

    /// As [`Cssm::begin_bundle`], for whatever people upload: none when it is no archive either.
    ///
    /// # Errors
    /// As [`Cssm::begin_bundle`].
    pub fn begin_upload<R: Read + Seek>(
        &self,
        now: Timestamp,
        actor: &Actor,
        account: Account,
        name: &str,
        reader: &mut R,
    ) -> Result<Option<UsageFile>, Error> {
        let mut head = Vec::new();
        reader.take(512).read_to_end(&mut head).map_err(Error::Unwritten)?;
        reader.rewind().map_err(Error::Unwritten)?;
        if !is_gzip(&head) && !is_tar(&head) {
            return Ok(None);
        }
        self.begin_bundle(now, actor, account, name, reader)
    }

    /// Takes in what a bundle holds, from where it was left; `progress` is told how many devices are done.
    ///
    /// # Errors
    /// When the store fails or the bundle cannot be read any more; what was taken stays.
    pub fn work_on_bundle(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
        reader: &mut dyn Read,
        progress: &mut dyn FnMut(i64),
    ) -> Result<UsageFile, Error> {
        let (file, done) = self.db.read("bundles.unfinished", move |tx| {
            let file = files::one(tx, smart_account_id, id)?;
            let sql = "SELECT members_done FROM usage_file WHERE smart_account_id = $1 AND id = $2";
            let place = [smart_account_id.into(), id.into()];
            let done = tx.row(sql, &place, |row| row.int(0))?.unwrap_or(0);
            Ok::<_, Error>((file, done))
        })?;
        if file.status != UsageFile::PROCESSING {
            return Ok(file);
        }
        let account = (smart_account_id, file.virtual_account_id);
        // One piece is read and checked while the one before is written down.
        std::thread::scope(|scope| {
            let (sender, pieces) = mpsc::sync_channel::<VerifiedPiece>(1);
            let writer = scope.spawn(move || {
                while let Ok(piece) = pieces.recv() {
                    self.take_piece(now, account, id, piece)?;
                }
                Ok::<_, Error>(())
            });
            let read = self.read_pieces(now, reader, done, &mut |piece| {
                progress(piece.place);
                // A writer that gave up says why itself.
                sender.send(piece).is_ok()
            });
            drop(sender);
            let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written.and(read)
        })?;
        self.db.read("bundles.one", move |tx| files::one(tx, smart_account_id, id))
    }

    /// Reads a bundle from its member number `done` on, and hands over piece by piece until told to stop.
    fn read_pieces(
        &self,
        now: Timestamp,
        reader: &mut dyn Read,
        done: i64,
        hand_over: &mut dyn FnMut(VerifiedPiece) -> bool,
    ) -> Result<(), Error> {
        let (mut place, mut by) = (0, String::new());
        let (mut waiting, mut bytes, mut wanted) = (Vec::new(), 0, true);
        let mut flush = |waiting: &mut Vec<_>, place: i64, by: &str| {
            let piece = self.verify_piece(now, std::mem::take(waiting), place, by)?;
            Ok::<_, Error>(hand_over(piece))
        };
        read_bundle(reader, LIMITS, &mut |found| {
            let member = match found {
                InBundle::Manifest(manifest) => {
                    by.clone_from(&manifest.manifest.created_by);
                    return Ok(());
                }
                InBundle::Device(member) => member,
            };
            place += 1;
            if place <= done || !wanted {
                return Ok(());
            }
            bytes += member.bytes.len();
            waiting.push(member);
            if waiting.len() >= PIECE_DEVICES_MAX || bytes >= PIECE_BYTES_MAX {
                bytes = 0;
                wanted = flush(&mut waiting, place, &by)?;
            }
            Ok::<(), Error>(())
        })?;
        if wanted && !waiting.is_empty() {
            flush(&mut waiting, place, &by)?;
        }
        Ok(())
    }

    fn verify_piece(
        &self,
        now: Timestamp,
        members: Vec<Member>,
        place: i64,
        by: &str,
    ) -> Result<VerifiedPiece, Error> {
        let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
        let correlation_id = self.random_hex(16);
        let by = if by.is_empty() { "a bundle" } else { by }.to_owned();
        let (devices, problems) =
            self.verify_all(now, members, Hop::Person(Some(&by)), &correlation_id)?;
        Ok(VerifiedPiece { members: count, place, by, correlation_id, devices, problems })
    }

    fn take_piece(
        &self,
        now: Timestamp,
        account: Account,
        id: UsageFileId,
        verified: VerifiedPiece,
    ) -> Result<(), Error> {
        let cssm = self.clone();
        self.db.write("bundles.piece", move |tx| {
            let VerifiedPiece { members, place, by, correlation_id, devices, problems } = &verified;
            virtual_account(tx, account.0, account.1)?;
            let sql = "SELECT members_done FROM usage_file WHERE smart_account_id = $1 AND id = $2";
            let done = tx.row(sql, &[account.0.into(), id.into()], |row| row.int(0))?;
            if done != Some(place - members) {
                // Another process has gone on with it.
                return Err(StoreError::Conflict.into());
            }
            let hop = Hop::Person(Some(by));
            let mut piece = cssm.take_devices(tx, now, account, devices, hop, correlation_id)?;
            piece.problems.extend(problems.iter().cloned());
            let outcomes = std::mem::take(&mut piece.outcomes);
            let answers = cssm.sign_answers(now, outcomes, correlation_id);
            note_piece(tx, (account.0, id), *members, &piece, &answers)
        })
    }

    /// Checks the signatures of devices; files that cannot be read are named and left out.
    fn verify_all(
        &self,
        now: Timestamp,
        members: Vec<Member>,
        hop: Hop<'_>,
        correlation_id: &str,
    ) -> Result<(NamedDevices, Vec<String>), Error> {
        let suite = self.suite.as_ref();
        let files = parallel::map(members, |member| {
            let read = collected::parse(suite, now, &self.id, &member.name, &member.bytes);
            (member.name, read)
        });
        let unknown: Vec<_> = files
            .iter()
            .filter_map(|(_, file)| file.as_ref().ok().filter(|file| file.key.is_none()))
            .map(|file| file.udi.clone())
            .collect();
        let keys = self.db.read("bundles.keys", move |tx| {
            let mut keys: Vec<(Udi, PublicKey)> = Vec::new();
            for udi in &unknown {
                if let Some(known) = instances::find(tx, udi)? {
                    keys.push((udi.clone(), known.public_key));
                }
            }
            Ok::<_, Error>(keys)
        })?;
        let verified = parallel::map(files, |(name, file)| {
            let file = file?;
            let known = keys.iter().find(|(udi, _)| *udi == file.udi).map(|(_, key)| key);
            let ids = (now, self.id.as_ref(), correlation_id);
            let device = collected::verify(suite, file, known, hop, ids)?;
            Ok::<_, Error>((name, device))
        });
        let (mut devices, mut problems) = (Vec::with_capacity(verified.len()), Vec::new());
        for outcome in verified {
            match outcome {
                Ok(device) => devices.push(device),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Ok((devices, problems))
    }

    fn take_devices(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        account: Account,
        devices: &[(String, VerifiedDevice)],
        hop: Hop<'_>,
        correlation_id: &str,
    ) -> Result<Piece, Error> {
        let standing = Arc::new(standing::read(tx, account.0, account.1)?);
        let mut piece = Piece {
            outcomes: Vec::with_capacity(devices.len()),
            aside: Vec::new(),
            new: 0,
            known: 0,
            refused: 0,
            problems: Vec::new(),
        };
        for (name, device) in devices {
            let (taken, told) =
                match collected::take(tx, now, account, device, hop, correlation_id)? {
                    Took::Taken(taken) => {
                        let of = taken.instances.iter().copied();
                        let told = standing.for_instances(tx, of)?;
                        (taken, Some(told))
                    }
                    Took::Refused(text) => {
                        piece.problems.push(text.clone());
                        (collected::refuse_all(device, &text, correlation_id), None)
                    }
                    Took::SetAside(home) => {
                        piece.problems.push(set_aside::words(&device.udi));
                        let (name, device) = (name.clone(), device.clone());
                        piece.aside.push(Aside { name, device, virtual_account_id: home });
                        continue;
                    }
                };
            piece.new += taken.new;
            piece.known += taken.known;
            let accepted = taken.new + taken.known;
            piece.refused += i64::try_from(taken.entries.len()).unwrap_or(0) - accepted;
            piece.outcomes.push(Outcome { name: name.clone(), taken, standing: told });
        }
        Ok(piece)
    }

    /// The answers to devices; one that was not taken learns nothing of the account.
    fn sign_answers(
        &self,
        now: Timestamp,
        outcomes: Vec<Outcome>,
        correlation_id: &str,
    ) -> Vec<DeviceAnswer> {
        parallel::map(outcomes, |Outcome { name, taken, standing }| {
            let contents = Contents {
                acknowledgements: taken.entries,
                trust_codes: taken.trust_codes,
                report_requests: taken.report_requests,
                older: taken.older,
                standing: standing.as_ref(),
                policy_wanted: true,
                correlation_id,
            };
            let document = answer::document(contents, &self.issuer, &self.standing, now);
            DeviceAnswer { name: answer_name(&name), document }
        })
    }

    /// Writes the answer to an uploaded bundle; `scratch` holds it meanwhile.
    ///
    /// # Errors
    /// When it is not ready or cannot be written.
    pub fn write_answer<S: Read + Write + Seek>(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
        scratch: S,
        out: &mut dyn Write,
    ) -> Result<(), Error> {
        const PAGE: i64 = 500;
        let (manifest, account, part) = self.db.read("bundles.answer", move |tx| {
            let file = files::one(tx, smart_account_id, id)?;
            if !file.acknowledgement_ready {
                return Err(Error::NotFound("acknowledgement"));
            }
            let sql = "SELECT bundle_part FROM usage_file WHERE smart_account_id = $1 AND id = $2";
            let place = [smart_account_id.into(), id.into()];
            let part = tx.row(sql, &place, |row| row.opt_text(0))?.flatten();
            let part = part.ok_or(Error::NotFound("acknowledgement"))?;
            // Also of an account that was closed since: its answers are of use to the devices.
            let names = standing::read(tx, smart_account_id, file.virtual_account_id)?;
            let manifest =
                answer_manifest(&names.smart_account, smart_account_id, &format!("{id}"));
            Ok((manifest, names, part))
        })?;
        let full = |error| Error::Unwritten(error);
        let mut writer = BundleWriter::new(scratch, answer_name(&part), now);
        let mut after = 0;
        loop {
            let page = self.db.read("bundles.answers", move |tx| {
                let sql = "SELECT place, name, document FROM usage_answer
                    WHERE usage_file_id = $1 AND place > $2 ORDER BY place LIMIT $3";
                let values = [id.into(), after.into(), PAGE.into()];
                tx.rows(sql, &values, |row| {
                    Ok::<_, Error>((row.int(0)?, row.text(1)?, row.text(2)?))
                })
            })?;
            let Some((last, _, _)) = page.last() else { break };
            after = *last;
            for (_, name, document) in page {
                let document = answer::signed_anew(document, &self.issuer);
                writer.add(&name, &document).map_err(full)?;
            }
        }
        let sign = |manifest: &Manifest| manifest.signed_by_cssm(&self.issuer);
        let within = (account.virtual_account.as_str(), Some(account.virtual_account_id.0));
        writer.finish(manifest, within, sign, out).map_err(full)?;
        Ok(())
    }

    /// Takes a bundle that a registered collector brings, and returns the bundle that answers it.
    ///
    /// # Errors
    /// When it is not whole, or not signed by a collector that is registered.
    pub fn receive_bundle(&self, now: Timestamp, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        // Nothing else is unpacked for one who is not known.
        let no_bundle = || Error::invalid("the body is no bundle that begins with its manifest");
        let manifest = first_manifest(&mut &bytes[..])?.ok_or_else(no_bundle)?;
        let key = manifest.verify_collector(self.suite.as_ref())?.clone();
        let manifest = manifest.manifest;
        let sa = manifest.smart_account.clone();
        let part = manifest.parts.first();
        let va = part.map(|part| part.virtual_account.clone()).unwrap_or_default();
        let collector = self.db.read("bundles.collector", move |tx| {
            collectors::by_key(tx, &key, &sa, &va)?.ok_or_else(|| {
                let text = format!("this collector is not registered for {sa} / {va}");
                Error::invalid(format!("{text}; log in to Cisco with it"))
            })
        })?;
        let mut members = Vec::new();
        read_bundle(&mut &bytes[..], WIRE_LIMITS, &mut |found| {
            if let InBundle::Device(file) = found {
                members.push(file);
            }
            Ok::<(), Error>(())
        })?;
        let correlation_id = self.random_hex(16);
        let title = collector.title;
        let hop = Hop::Collector(&title);
        let (devices, problems) = self.verify_all(now, members, hop, &correlation_id)?;
        // What cannot be read gets no answer, so that one device does not hold up all others.
        let account = (collector.smart_account_id, collector.virtual_account_id);
        let (cssm, id, correlation) = (self.clone(), collector.id, correlation_id.clone());
        let part = manifest.parts.first().map(|part| part.name.clone()).unwrap_or_default();
        let (piece, answered, within) = self.db.write("bundles.receive", move |tx| {
            let sa = smart_account(tx, account.0)?;
            let va = virtual_account(tx, account.0, account.1)?;
            check_account(&manifest, &sa.name, &va.name)?;
            let sql = "UPDATE collector SET last_contact_at = $1
                WHERE smart_account_id = $2 AND id = $3";
            tx.execute(sql, &[now.0.into(), account.0.into(), id.into()])?;
            let hop = Hop::Collector(&title);
            let piece = cssm.take_devices(tx, now, account, &devices, hop, &correlation)?;
            // What waits for a decision was told when it turned up.
            for problem in problems.iter().take(EVENTS_MAX) {
                add_event(tx, now, account.0, &Actor::collector(&title), problem)?;
            }
            Ok::<_, Error>((piece, answer_manifest(&sa.name, sa.id, &manifest.id), va))
        })?;
        let mut writer = BundleWriter::new(Cursor::new(Vec::new()), answer_name(&part), now);
        for answer in self.sign_answers(now, piece.outcomes, &correlation_id) {
            writer.add(&answer.name, &answer.document).map_err(Error::Unwritten)?;
        }
        let sign = |manifest: &Manifest| manifest.signed_by_cssm(&self.issuer);
        let within = (within.name.as_str(), Some(within.id.0));
        writer.finish(answered, within, sign, Vec::new()).map_err(Error::Unwritten)
    }
}

fn answer_manifest(smart_account: &str, smart_account_id: SmartAccountId, id: &str) -> Manifest {
    Manifest {
        id: id.to_owned(),
        created_by: "CSSM".to_owned(),
        smart_account: smart_account.to_owned(),
        smart_account_id: Some(smart_account_id.0),
        parts: Vec::new(),
    }
}

/// A bundle names its account, case-sensitively; one that names none may go to any (CSLU-012).
fn check_account(manifest: &Manifest, sa: &str, va: &str) -> Result<(), Error> {
    let other = |told: &str, own: &str| !told.is_empty() && told != own;
    let told = manifest.parts.iter().map(|part| part.virtual_account.as_str());
    let wrong = told.into_iter().find(|told| other(told, va));
    if other(&manifest.smart_account, sa) || wrong.is_some() {
        return Err(Error::Conflict(format!(
            "the bundle is of {} / {}, not of {sa} / {va}",
            manifest.smart_account,
            wrong.unwrap_or(va)
        )));
    }
    Ok(())
}

fn note_piece(
    tx: &mut Tx<'_>,
    (smart_account_id, id): (SmartAccountId, UsageFileId),
    count: i64,
    piece: &Piece,
    answers: &[DeviceAnswer],
) -> Result<(), Error> {
    let sql = "SELECT members, members_done, problems, reports_new, reports_known FROM usage_file
        WHERE smart_account_id = $1 AND id = $2";
    let row = tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
        Ok::<_, Error>((row.int(0)?, row.int(1)?, row.text(2)?, row.int(3)?, row.int(4)?))
    })?;
    let (members, before, mut problems, new, known) = row.ok_or(Error::NotFound("usage file"))?;
    let done = before + count;
    for (place, aside) in (before + 1..).zip(&piece.aside) {
        let Aside { name, device, virtual_account_id } = aside;
        set_aside::keep(tx, (smart_account_id, id), place, name, device, *virtual_account_id)?;
    }
    for (place, answer) in (before + 1..).zip(answers) {
        let sql = "INSERT INTO usage_answer (usage_file_id, place, name, document)
            VALUES ($1, $2, $3, $4)";
        let values = [id.into(), place.into(), (&answer.name).into(), (&answer.document).into()];
        tx.execute(sql, &values)?;
    }
    let refused = (piece.refused > 0).then(|| format!("{} reports were refused", piece.refused));
    for problem in piece.problems.iter().chain(&refused) {
        if problems.len() < MESSAGE_CHARS_MAX {
            problems.push_str(if problems.is_empty() { "" } else { "; " });
            problems.push_str(problem);
        }
    }
    let (new, known) = (new + piece.new, known + piece.known);
    let head = if done < members {
        format!("{done} of {members} product instances.")
    } else if new == 0 && problems.is_empty() {
        "All reports in this file were received before.".to_owned()
    } else {
        format!("{new} reports accepted.")
    };
    let status = match (done < members, problems.is_empty()) {
        (true, _) => UsageFile::PROCESSING,
        (false, true) => "No Errors",
        (false, false) => "Errors",
    };
    let message = if problems.is_empty() { head } else { format!("{head} {problems}.") };
    let sql = "UPDATE usage_file SET members_done = $1, problems = $2, message = $3, status = $4,
        reports_new = $5, reports_known = $6 WHERE smart_account_id = $7 AND id = $8";
    let values = [
        done.into(),
        (&problems).into(),
        (&message).into(),
        status.into(),
        new.into(),
        known.into(),
        smart_account_id.into(),
        id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

impl Cssm {
    /// Bundles whose work was cut short: the smart account and number of each.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unfinished_bundles(&self) -> Result<Vec<(SmartAccountId, UsageFileId)>, Error> {
        self.db.read("bundles.unfinished", |tx| {
            let sql = "SELECT smart_account_id, id FROM usage_file WHERE status = $1 ORDER BY id";
            tx.rows(sql, &[UsageFile::PROCESSING.into()], |row| Ok((row.id(0)?, row.id(1)?)))
        })
    }

    /// Gives a bundle up that cannot be read any more; one that is done stays done.
    ///
    /// # Errors
    /// When the store fails.
    pub fn give_up_bundle(
        &self,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
        why: &str,
    ) -> Result<(), Error> {
        let why: String = why.chars().take(MESSAGE_CHARS_MAX).collect();
        self.db.write("bundles.give_up", move |tx| {
            let sql = "UPDATE usage_file SET status = 'Errors', message = $1
                WHERE smart_account_id = $2 AND id = $3 AND status = $4";
            let place = [smart_account_id.into(), id.into()];
            let values = [(&why).into(), place[0], place[1], UsageFile::PROCESSING.into()];
            tx.execute(sql, &values)?;
            Ok(())
        })
    }
}
