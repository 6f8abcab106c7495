//! Every format that is stored or sent, as it was once written: what a landed version wrote stays readable.
//!
//! `cargo test -p rumline-collector --test formats -- --ignored` writes the files of this version into a folder of their
//! own; a folder that has landed is never written again.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rumline_agent::{Agent, Config, Environment, Input, MemoryDisk, Profile, Transport};
use rumline_collector::{Collector, Kind, Settings};
use rumline_cssm::{Cssm, SmartAccountId};
use rumline_protocol::*;
use rumline_store::Db;
use rumline_testkit::*;

const CSLU: rumline_collector::TenantId = Collector::CSLU_TENANT;
/// The folder that [`write_the_formats_of_this_version`] writes.
const NOW_WRITTEN: &str = "2";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn smart() -> Config {
    let smart_url = Some("https://cssm".to_owned());
    Config { transport: Transport::Smart, smart_url, ..Config::default() }
}

#[test]
#[ignore = "writes files into the project"]
fn write_the_formats_of_this_version() {
    let out = folder().join(NOW_WRITTEN);
    std::fs::create_dir_all(out.join("switch")).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(out.join(name), bytes).unwrap();
    let work = tempfile::tempdir().unwrap();
    let mut estate = Estate::in_directory(work.path());
    let server = estate.add_cslu(false);
    let behind = estate.add_switch("SN2", through(server, None));
    let direct = estate.add_switch("SN1", smart());
    let id_token = estate.token();
    let now = estate.now;
    // Messages, and an answer.
    estate.switches[direct].handle(now, Input::Trust { id_token, all: true, force: false });
    let sent = estate.switches[direct].sent.pop_front().unwrap();
    put("trust.json", &sent.body);
    let answer = estate.deliver(&sent.url, &sent.body).unwrap();
    put("response.json", &answer);
    estate.switches[direct].answer(now, sent.request_id, Ok(answer));
    for switch in [direct, behind] {
        estate.input(switch, Input::Use(vec![lan(2)]));
    }
    estate.run_for(Timestamp::DAY);
    let now = estate.now;
    estate.switches[direct].handle(now, Input::Sync);
    let sent = estate.switches[direct].sent.pop_front().unwrap();
    put("usage.json", &sent.body);
    let answer = estate.deliver(&sent.url, &sent.body);
    estate.switches[direct].answer(now, sent.request_id, answer);
    let device = Device::new(&estate.cssm, "SN9");
    put("poll.json", &serde_json::to_vec(&device.poll(now, "poll")).unwrap());
    put("sync.json", &serde_json::to_vec(&device.sync(now)).unwrap());
    // Files.
    estate.input(behind, Input::Sync);
    let (name, bundle) = estate.export(server, CSLU, None);
    put("bundle.tar.gz", &bundle);
    let file = estate.upload(estate.va, &name, &bundle);
    put("ack-bundle.tar.gz", &estate.download(&file));
    let usage = estate.switches[direct].save_usage(now);
    put("usage.txt", usage.as_bytes());
    let file = estate.upload(estate.va, "usage.txt", usage.as_bytes());
    let (_, ack) = estate.cssm.acknowledgement_file(estate.sa, file.id).unwrap();
    put("ACK_usage.txt", ack.as_bytes());
    let policy = estate.cssm.policy_file(now, estate.sa, estate.va).unwrap();
    put("policy.txt", policy.as_bytes());
    let next = SimulatedSuite::successor(&estate.signing, now, &mut chance());
    let mut list = DocumentWriter::new();
    list.revocation(next.revocation.as_ref().unwrap()).certificate(&next.certificate);
    put("revocation.txt", list.finish().as_bytes());
    // What lies on a switch, and in databases.
    for (name, bytes) in &estate.switches[direct].disk.files {
        put(&format!("switch/{}", name.replace('/', "+")), bytes);
    }
    put("root", &estate.root);
    put("signing.key", &estate.signing.signer.private_key());
    put("signing.certificate", &estate.signing.certificate.0);
    put("collector.key", &estate.servers[server].collector.signer().private_key());
    let told = format!("{}\n{}\n{}\n", now.0, estate.lab.counted("SN1"), estate.lab.counted("SN2"));
    put("told", told.as_bytes());
    drop(estate);
    for name in ["cssm.db", "collector-0.db"] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&std::fs::read(work.path().join(name)).unwrap()).unwrap();
        put(&format!("{name}.gz"), &packed.finish().unwrap());
    }
}

/// A folder of a version, and when it was written.
struct Kept {
    path: PathBuf,
    root: Vec<u8>,
    now: Timestamp,
    /// What CSSM had counted of `SN1` and `SN2`, in licence seconds.
    counted: [i64; 2],
}

impl Kept {
    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn signing(&self) -> SigningIdentity {
        SigningIdentity {
            signer: SimulatedSuite.load_device_key(&self.bytes("signing.key")).unwrap(),
            certificate: SignerCertificate(self.bytes("signing.certificate")),
            root_certificate: self.root.clone(),
            revocation: None,
        }
    }
}

fn each_version(look: impl Fn(&Kept)) {
    let mut versions = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let told = std::fs::read_to_string(path.join("told")).unwrap();
        let told: Vec<i64> = told.lines().map(|line| line.parse().unwrap()).collect();
        let root = std::fs::read(path.join("root")).unwrap();
        look(&Kept { path, root, now: Timestamp(told[0]), counted: [told[1], told[2]] });
        versions += 1;
    }
    assert!(versions > 0);
}

#[test]
fn messages_and_files_of_every_version_are_read() {
    each_version(|kept| {
        for (name, class) in [
            ("trust.json", "Trust Establishment"),
            ("usage.json", "Usage Reporting"),
            ("poll.json", "Result Polling"),
            ("sync.json", "Trust Sync"),
        ] {
            let request = Request::read(&kept.bytes(name)).unwrap();
            assert_eq!(request.speaker().class, class, "{name}");
        }
        let response: Response = serde_json::from_slice(&kept.bytes("response.json")).unwrap();
        assert_eq!(response.status, ResponseStatus::Ok);
        let roots = [kept.root.clone()];
        let look = |bytes: &[u8]| {
            let trusted =
                Trusted { suite: &SimulatedSuite, roots: &roots, keys: &[], now: kept.now };
            verify_bytes(bytes, trusted)
        };
        for (name, voucher) in [
            ("usage.txt", Voucher::Cssm),
            ("ACK_usage.txt", Voucher::Cssm),
            ("policy.txt", Voucher::Cssm),
            ("revocation.txt", Voucher::Cssm),
            ("ack-bundle.tar.gz", Voucher::Cssm),
            ("bundle.tar.gz", Voucher::Itself),
        ] {
            let verdict = look(&kept.bytes(name));
            assert_eq!(verdict.voucher(), voucher, "{name}: {:?}", verdict.findings);
        }
    });
}

#[test]
fn a_switch_of_every_version_goes_on() {
    each_version(|kept| {
        let mut disk = MemoryDisk::default();
        for entry in std::fs::read_dir(kept.path.join("switch")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_str().unwrap().replace('+', "/");
            disk.files.insert(name, std::fs::read(entry.path()).unwrap());
        }
        let profile = Profile {
            members: vec![HaMember { role: Role::Active, sudi: udi("SN1") }],
            software_tag: SOFTWARE_TAG.to_owned(),
            software_version: "10.4(3)".to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            root_certificate: kept.root.clone(),
        };
        let mut random = chance();
        let mut environment = Environment { disk: &mut disk, random: &mut random };
        let suite = Arc::new(CountingSuite::default());
        let agent = Agent::open(kept.now, profile, smart(), suite, &mut environment).unwrap();
        assert!(agent.has_trust());
        assert_eq!(agent.account().unwrap().smart_account, "Example");
        assert_eq!(agent.policy().smart_account, "Example");
        let [_, _, _, acknowledged, _] = agent.report_counts();
        assert!(acknowledged > 0, "{:?}", agent.report_counts());
    });
}

#[test]
fn databases_of_every_version_are_brought_up_to_date() {
    each_version(|kept| {
        let work = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = work.path().join(name);
            let mut unpacked = Vec::new();
            let packed = kept.bytes(&format!("{name}.gz"));
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
            std::fs::write(&path, unpacked).unwrap();
            Arc::new(Db::open_sqlite(&path).unwrap())
        };
        let random = || Arc::new(Mutex::new(chance()));
        let suite = Arc::new(CountingSuite::default());
        let (issuer, shared) = (kept.signing(), suite.clone());
        let cssm = Cssm::open(open("cssm.db"), shared, issuer, random(), at_once()).unwrap();
        let instances = cssm
            .instances(SmartAccountId(1), &rumline_server::Only::All, Default::default(), 10)
            .unwrap();
        let counted = ["SN1", "SN2"].map(|serial| {
            let found = instances.iter().find(|view| view.serial == serial).unwrap();
            let reports = cssm.reports(SmartAccountId(1), found.id, 0, 1000).unwrap();
            reports.iter().map(|report| report.count_seconds).sum::<i64>()
        });
        assert_eq!(counted, kept.counted);
        let key = SimulatedSuite.load_device_key(&kept.bytes("collector.key")).unwrap();
        let settings = Settings {
            kind: Kind::Cslu,
            name: "lab".to_owned(),
            version: Settings::CSLU_VERSION.to_owned(),
            root_certificate: kept.root.clone(),
        };
        let db = open("collector-0.db");
        let collector = Collector::open(db, suite, key.into(), random(), settings).unwrap();
        let views = collector.instances(CSLU, "", Default::default(), 10).unwrap();
        assert_eq!((views.len(), views[0].serial.as_str()), (1, "SN2"), "{views:?}");
        assert_eq!(views[0].waiting, 2, "its reports wait for the file that answers");
    });
}
