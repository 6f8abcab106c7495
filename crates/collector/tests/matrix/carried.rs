//! What is carried: bundles of collectors, the bundles that answer them, uploads of usage files.

use rumline_collector::Batch;
use rumline_cssm::Actor;
use rumline_protocol::*;
use rumline_testkit::*;

use crate::ground::{BEHIND, CSLU, EACH, Ground, Place};
use crate::{Attack, Cell};

/// What the collector sends next.
fn batch(g: &Ground) -> Batch {
    let collector = &g.estate.servers[0].collector;
    collector.next_batch(g.estate.now, CSLU).unwrap().expect("something waits")
}

/// A report more that waits at the collector.
fn one_more(g: &mut Ground) {
    g.estate.run_for(Timestamp::DAY);
    g.estate.input(BEHIND, rumline_agent::Input::Sync);
}

/// A bundle comes to CSSM by wire; what it answers is what the collector reads.
fn receive(g: &mut Ground, bytes: &[u8]) -> Option<Vec<u8>> {
    g.hand_over(bytes);
    let answer = g.estate.cssm.receive_bundle(g.estate.now, bytes);
    let answer = g.read(answer)?;
    for (_, text) in OpenBundle::of(&answer).files {
        let document = Document::parse(text.as_bytes()).unwrap();
        for (id, code, text) in entries_of(&document) {
            let _none = g.read(Err::<(), _>(format!("{code:?} {id}: {text}")));
        }
    }
    Some(answer)
}

/// Packed anew by the collector itself.
fn repacked(g: &Ground, open: &OpenBundle) -> Vec<u8> {
    let collector = g.estate.servers[0].collector.clone();
    open.pack(|manifest| manifest.signed_by_collector(collector.signer()))
}

pub(crate) fn bundle(g: &mut Ground, attack: Attack) -> Cell {
    let genuine = batch(g);
    let counted = g.counted("SN8");
    match attack {
        Attack::Replay => {
            receive(g, &genuine.bytes);
            g.begin();
            receive(g, &genuine.bytes);
            Cell::Nothing(Place::Sender, "Rum Report is accepted")
        }
        Attack::RollBack => {
            one_more(g);
            let newer = batch(g);
            receive(g, &newer.bytes);
            g.begin();
            receive(g, &genuine.bytes);
            Cell::Nothing(Place::Sender, "Rum Report is accepted")
        }
        Attack::Freeze => {
            g.estate.now = g.estate.now.plus_days(300);
            g.begin();
            receive(g, &genuine.bytes);
            assert!(g.counted("SN8") > counted);
            Cell::Counts(Place::Sender, "Rum Report is accepted")
        }
        Attack::Splice => {
            // The files of one under the manifest of another.
            one_more(g);
            let manifest = manifest_text(&genuine.bytes);
            let newer = OpenBundle::of(&batch(g).bytes);
            let spliced = newer.pack(|_| manifest);
            g.begin();
            receive(g, &spliced);
            Cell::Nothing(Place::Sender, "manifest")
        }
        Attack::Truncate => {
            g.begin();
            receive(g, &genuine.bytes[..genuine.bytes.len() * 2 / 3]);
            Cell::Nothing(Place::Sender, "cut off")
        }
        Attack::Reorder => {
            one_more(g);
            let mut open = OpenBundle::of(&batch(g).bytes);
            for (_, text) in &mut open.files {
                *text = reversed(text);
            }
            let packed = repacked(g, &open);
            g.begin();
            receive(g, &packed);
            assert!(g.counted("SN8") > counted);
            assert_eq!(g.estate.instance("SN8").reports_missing, 0);
            Cell::Counts(Place::Sender, "Rum Report is accepted")
        }
        Attack::WrongUdi => {
            let mut open = OpenBundle::of(&genuine.bytes);
            for (_, text) in &mut open.files {
                *text = text.replace("\"SN8\"", "\"SN1\"");
            }
            let packed = repacked(g, &open);
            g.begin();
            receive(g, &packed);
            Cell::Nothing(Place::Sender, "Failed")
        }
        Attack::WrongAccount => {
            let mut open = OpenBundle::of(&genuine.bytes);
            "Other".clone_into(&mut open.manifest.smart_account);
            let packed = repacked(g, &open);
            g.begin();
            receive(g, &packed);
            Cell::Nothing(Place::Sender, "is not registered for Other")
        }
        Attack::WrongReceiver => {
            g.begin();
            let answer = g.elsewhere.cssm.receive_bundle(g.estate.now, &genuine.bytes);
            g.read(answer);
            Cell::Nothing(Place::Sender, "is not registered for")
        }
        Attack::WrongTime => Cell::Empty(
            "a bundle bears no time: each report in it does, and that is a cell of its own",
        ),
        Attack::UnknownKey => {
            let stranger = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
            let forged = rewritten(&genuine.bytes, stranger.as_ref(), |_, text| Some(text));
            g.begin();
            receive(g, &forged);
            Cell::Nothing(Place::Sender, "is not registered for")
        }
        Attack::RevokedKey => {
            let id = g.estate.cssm.collectors(g.estate.sa).unwrap()[0].id;
            g.estate.cssm.remove_collector(g.estate.now, &admin(), g.estate.sa, id).unwrap();
            g.begin();
            receive(g, &genuine.bytes);
            Cell::Nothing(Place::Sender, "is not registered for")
        }
    }
}

/// The text of a bundle's manifest, with its signature.
fn manifest_text(bundle: &[u8]) -> String {
    let limits =
        ArchiveLimits { total_bytes_max: 1 << 24, member_bytes_max: 1 << 24, members_max: 100 };
    let members = read_members(bundle, limits).unwrap();
    let found = members.into_iter().find(|member| member.name == MANIFEST_NAME).unwrap();
    String::from_utf8(found.bytes).unwrap()
}

/// A file with its reports in the other order.
fn reversed(text: &str) -> String {
    const OPEN: &str = "<RUMReport>";
    let mut parts: Vec<&str> = text.split(OPEN).collect();
    let head = parts.remove(0);
    let (last, tail) = parts.pop().unwrap().split_once("</RUMReport>").unwrap();
    let mut reports: Vec<String> = parts.iter().map(|part| format!("{OPEN}{part}")).collect();
    reports.push(format!("{OPEN}{last}</RUMReport>"));
    reports.reverse();
    format!("{head}{}{tail}", reports.concat())
}

/// A file is imported at the collector.
fn import(g: &mut Ground, bytes: &[u8]) {
    g.hand_over(bytes);
    let outcome = g.estate.import(0, CSLU, "answer.tar.gz", bytes);
    if let Some(taken) = g.read(outcome) {
        let _none = g.read(Err::<(), _>(format!("{}: {}", taken.status, taken.problems)));
    }
}

/// The answer by file to all that waits at the collector.
fn answer_by_file(g: &mut Ground) -> Vec<u8> {
    let (name, bundle) = g.estate.export(0, CSLU, None);
    let file = g.estate.upload(g.estate.va, &name, &bundle);
    g.estate.download(&file)
}

/// Packed anew with the signature of a CSSM.
fn signed_anew(open: &OpenBundle, by: &SigningIdentity) -> Vec<u8> {
    open.pack(|manifest| manifest.signed_by_cssm(by))
}

pub(crate) fn ack_bundle(g: &mut Ground, attack: Attack) -> Cell {
    match attack {
        Attack::Replay => {
            let answer = answer_by_file(g);
            import(g, &answer);
            g.begin();
            import(g, &answer);
            Cell::Nothing(Place::Sender, "Done")
        }
        Attack::RollBack => {
            let older = answer_by_file(g);
            one_more(g);
            let newer = answer_by_file(g);
            import(g, &newer);
            g.begin();
            import(g, &older);
            Cell::Nothing(Place::Sender, "Done")
        }
        Attack::Freeze => {
            // By wire: an answer to what was sent before.
            let first = batch(g);
            let answer = receive(g, &first.bytes).unwrap();
            let again = batch(g);
            g.begin();
            let collector = g.estate.servers[0].collector.clone();
            let taken = collector.take_answer(g.estate.now, CSLU, &again, &answer);
            g.read(taken);
            Cell::Nothing(Place::Sender, "is to another bundle")
        }
        Attack::Splice => {
            let older = answer_by_file(g);
            one_more(g);
            let newer = answer_by_file(g);
            let manifest = manifest_text(&older);
            let spliced = OpenBundle::of(&newer).pack(|_| manifest);
            g.begin();
            import(g, &spliced);
            Cell::Nothing(Place::Sender, "manifest")
        }
        Attack::Truncate => {
            let answer = answer_by_file(g);
            g.begin();
            import(g, &answer[..answer.len() * 2 / 3]);
            Cell::Nothing(Place::Sender, "cut off")
        }
        Attack::Reorder => {
            let older = answer_by_file(g);
            one_more(g);
            let newer = answer_by_file(g);
            g.begin();
            import(g, &newer);
            import(g, &older);
            let waiting =
                g.estate.servers[0].collector.instances(CSLU, "", Default::default(), 10).unwrap();
            assert!(waiting.iter().all(|view| view.waiting == 0), "{waiting:?}");
            Cell::Counts(Place::Sender, "Done")
        }
        Attack::WrongUdi => {
            // Of a device that this collector does not know.
            let answer = answer_by_file(g);
            let mut open = OpenBundle::of(&answer);
            let file = g.device.usage_file(g.estate.now, &[&g.reports[0]]);
            let eve = Actor::person("eve");
            let (sa, va, now) = (g.estate.sa, g.estate.va, g.estate.now);
            let file =
                g.estate.cssm.upload_usage(now, &eve, sa, va, "SN1.txt", file.as_bytes()).unwrap();
            let (_, text) = g.estate.cssm.acknowledgement_file(sa, file.id).unwrap();
            open.files = vec![("ACK_dev_SN1.txt".to_owned(), text)];
            let packed = signed_anew(&open, &same(&g.estate.signing));
            g.begin();
            import(g, &packed);
            Cell::Nothing(Place::Collector, "SN1")
        }
        Attack::WrongAccount => {
            let mut open = OpenBundle::of(&answer_by_file(g));
            "Other".clone_into(&mut open.manifest.smart_account);
            let packed = signed_anew(&open, &same(&g.estate.signing));
            g.begin();
            import(g, &packed);
            Cell::Nothing(Place::Sender, "is of Other / Default, not of Example / Default")
        }
        Attack::WrongReceiver => {
            let open = OpenBundle::of(&answer_by_file(g));
            let packed = signed_anew(&open, &same(&g.elsewhere.signing));
            g.begin();
            import(g, &packed);
            Cell::Nothing(Place::Sender, "does not lead to the trusted root")
        }
        Attack::WrongTime => Cell::Empty(
            "an answer bears no time: its ACKs are bound by digests, its policies by their own",
        ),
        Attack::UnknownKey => {
            let open = OpenBundle::of(&answer_by_file(g));
            let mut by = same(&g.estate.signing);
            by.signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
            let packed = signed_anew(&open, &by);
            g.begin();
            import(g, &packed);
            Cell::Nothing(Place::Sender, "signature")
        }
        Attack::RevokedKey => {
            let answer = answer_by_file(g);
            let next = SimulatedSuite::successor(&g.estate.signing, g.estate.now, &mut chance());
            let mut list = DocumentWriter::new();
            list.revocation(next.revocation.as_ref().unwrap()).certificate(&next.certificate);
            import(g, list.finish().as_bytes());
            g.begin();
            import(g, &answer);
            Cell::Nothing(
                Place::Sender,
                "the bundle: the certificate it is signed with was revoked",
            )
        }
    }
}

const SYSTEM_INFO: &str = "<smartLicenseSystemInfo>";

/// A person uploads a file for the account it is of.
fn upload(g: &mut Ground, text: &str) {
    let (sa, va, now) = (g.estate.sa, g.estate.va, g.estate.now);
    let eve = Actor::person("eve");
    g.hand_over(text.as_bytes());
    let taken = g.estate.cssm.upload_usage(now, &eve, sa, va, "usage.txt", text.as_bytes());
    if let Some(file) = g.read(taken) {
        let _none = g.read(Err::<(), _>(format!("{}: {}", file.status, file.message)));
    }
}

pub(crate) fn uploads(g: &mut Ground, attack: Attack) -> Cell {
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| g.reports[at].clone());
    let now = g.estate.now;
    let genuine = g.device.usage_file(now, &[&third, &fourth]);
    match attack {
        Attack::Replay => {
            upload(g, &genuine);
            g.begin();
            upload(g, &genuine);
            Cell::Nothing(Place::Owner, "were received before")
        }
        Attack::RollBack => {
            let older = g.device.usage_file(now, &[&first, &second]);
            upload(g, &genuine);
            g.begin();
            upload(g, &older);
            Cell::Nothing(Place::Sender, "No Errors")
        }
        Attack::Freeze => {
            g.estate.now = now.plus_days(300);
            g.begin();
            upload(g, &genuine);
            assert_eq!(g.counted("SN1"), 4 * EACH);
            Cell::Counts(Place::Sender, "No Errors")
        }
        Attack::Splice => {
            // The reports of one file under what another says of itself.
            let other = g.device.usage_file(now, &[&third]);
            let spliced = format!(
                "{}{}",
                &genuine[..genuine.find(SYSTEM_INFO).unwrap()],
                &other[other.find(SYSTEM_INFO).unwrap()..]
            );
            g.begin();
            upload(g, &spliced);
            Cell::Nothing(Place::Sender, "reports")
        }
        Attack::Truncate => {
            g.begin();
            upload(g, &genuine[..genuine.len() * 2 / 3]);
            Cell::Nothing(Place::Sender, "cut off")
        }
        Attack::Reorder => {
            g.begin();
            upload(g, &reversed(&genuine));
            Cell::Nothing(Place::Sender, "reports")
        }
        Attack::WrongUdi => {
            let others = g.neighbour.report(9, START, &[(EACH, 1)]);
            let file = g.device.usage_file(now, &[&others]);
            g.begin();
            upload(g, &file);
            Cell::Nothing(Place::Sender, "the report belongs to another UDI")
        }
        Attack::WrongAccount => {
            let (sa, va) = g.other;
            g.begin();
            let eve = Actor::person("eve");
            let taken = g.estate.cssm.upload_usage(now, &eve, sa, va, "x.txt", genuine.as_bytes());
            g.read(taken);
            Cell::Nothing(Place::Owner, "SN1")
        }
        Attack::WrongReceiver => {
            g.device.cssm = g.elsewhere.cssm.id().to_owned();
            let file = g.device.usage_file(now, &[&third]);
            g.begin();
            upload(g, &file);
            Cell::Nothing(Place::Sender, "another CSSM")
        }
        Attack::WrongTime => {
            let file = g.device.usage_file(now.plus_days(2), &[&third]);
            g.begin();
            upload(g, &file);
            Cell::Nothing(Place::Sender, "which is to come")
        }
        Attack::UnknownKey => {
            let stranger = Device::new(&g.estate.cssm, "SN1");
            let report = stranger.report(9, START, &[(EACH, 1)]);
            let file = stranger.usage_file(now, &[&report]);
            g.begin();
            upload(g, &file);
            Cell::Nothing(Place::Owner, "claim SN1")
        }
        Attack::RevokedKey => {
            g.rekey();
            g.begin();
            upload(g, &genuine);
            Cell::Nothing(Place::Owner, "SN1")
        }
    }
}
