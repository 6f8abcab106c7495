//! What others send: damaged, oversized, nested, forged.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::sync::OnceLock;

use proptest::prelude::*;
use rumline_protocol::*;

struct Zero;
impl Random for Zero {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

const NOW: Timestamp = Timestamp(1_790_000_000);

fn device() -> &'static dyn Signer {
    static KEY: OnceLock<Box<dyn Signer>> = OnceLock::new();
    KEY.get_or_init(|| RealSuite.generate_device_key(&mut Zero).unwrap()).as_ref()
}

fn report(measurements: Vec<Measurement>) -> RumReport {
    RumReport {
        software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
        udi: Udi::new("N9K-C93180YC-FX3", "RML0000TEST").unwrap(),
        product_instance_identifier: "8c1a2f64".to_owned(),
        asset_signature: None,
        entitlement_tag: EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_y")
            .unwrap(),
        report_id: 1_700_000_000,
        software_version: "10.4(3)".to_owned(),
        previous: Some(PreviousReport { report_id: 1_699_999_999, sha256: "abc".to_owned() }),
        lineage: None,
        ha_udi: vec![],
        measurements,
    }
}

fn one_measurement() -> Measurement {
    Measurement {
        log_time: Timestamp(200),
        start_time: Timestamp(100),
        end_time: Timestamp(200),
        count: 1,
        termination_reason: Some(TerminationReason::CurrentUsageRequested),
        clock_change_delta: None,
        resolution_seconds: None,
    }
}

#[test]
fn every_flipped_byte_of_a_report_is_noticed() {
    let signed = sign_report(report(vec![one_measurement()]), device());
    let key = device().public_key();
    assert!(signed.clone().verify(&RealSuite, key));
    for index in 0..signed.payload.len() {
        let mut bytes = signed.payload.clone().into_bytes();
        bytes[index] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if let Ok(mut changed) = SignedReport::from_parts(text, signed.signature.clone()) {
            assert!(!changed.verify(&RealSuite, key), "byte {index}");
        }
    }
}

#[test]
fn line_ends_changed_by_an_editor_are_restored() {
    let signed = sign_report(report(vec![one_measurement()]), device());
    let mut writer = DocumentWriter::new();
    let file = writer.report(&signed).finish();
    let carried = format!("\u{feff}{}", file.replace('\n', "\r\n"));
    let mut read = Document::parse(carried.as_bytes()).unwrap().reports.remove(0);
    assert!(read.verify(&RealSuite, device().public_key()));
    assert_eq!(read.payload, signed.payload);
}

#[test]
fn a_hostname_cannot_break_out_of_its_section() {
    let info = SystemInfo {
        sudi: Udi::new("A", "B").unwrap(),
        hostname: Some("]]></data><signature>".to_owned()),
        timestamp: NOW,
        nonce: "0123456789abcdef".to_owned(),
        software_tag_identifier: "t".to_owned(),
        software_version: None,
        public_key: device().public_key().clone(),
        purpose: Purpose::UsageFile,
        audience: String::new(),
        reports: 0,
        reports_sha256: SystemInfo::digest_of([].iter()),
    };
    let mut writer = DocumentWriter::new();
    let file = writer.system_info(&Signed::json(info.clone(), device())).finish();
    let read = Document::parse(file.as_bytes()).unwrap().system_info.unwrap();
    assert_eq!(read.value, info);
    assert!(read.verify(&RealSuite, device().public_key()));
}

#[test]
fn authorities_certify_and_strangers_do_not() {
    let ours = Authority::create("Ours", NOW).unwrap();
    let theirs = Authority::create("Theirs", NOW).unwrap();
    let code = Policy { issued_at: NOW, ..Policy::cisco_default() };
    let mut writer = DocumentWriter::new();
    let file = writer
        .policy(&Signed::json(code, ours.identity().unwrap().signer.as_ref()))
        .certificate(&ours.signing_certificate)
        .finish();
    let verdict = |root: &Authority, now| {
        let roots = std::slice::from_ref(&root.root_certificate);
        let trusted = Trusted { suite: &RealSuite, roots, keys: &[], now };
        verify_bytes(file.as_bytes(), trusted)
    };
    assert!(verdict(&ours, NOW).verified(), "{:?}", verdict(&ours, NOW));
    assert!(!verdict(&theirs, NOW).verified());
    assert!(!verdict(&ours, NOW.plus_days(366 * 21)).verified());
    assert!(!verdict(&ours, Timestamp(NOW.0 - 90 * Timestamp::DAY)).verified());
    // The root itself is no signing certificate.
    let root = SignerCertificate(ours.root_certificate.clone());
    assert!(RealSuite.verify_chain(&ours.root_certificate, &root, NOW).is_err());
    let (tls, _) = ours.issue_tls_certificate(&["localhost".to_owned()], NOW).unwrap();
    let tls = SignerCertificate(tls);
    assert!(RealSuite.verify_chain(&ours.root_certificate, &tls, NOW).is_err());
}

#[test]
fn what_xml_can_do_to_a_reader_is_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><smartLicense><correlationID>&b;</correlationID></smartLicense>";
    let entity = "<smartLicense><correlationID>&file;</correlationID></smartLicense>";
    let deep = "<a>".repeat(100_000);
    let open = "<smartLicense><RUMReport>";
    let cases = [bomb, entity, &deep, open, "", "hello", "<smartLicense/>", "<a></b>"];
    for case in cases {
        assert!(Document::parse(case.as_bytes()).is_err(), "{:.40}", case);
    }
    assert!(matches!(Document::parse(&[0xff, 0xfe, 0]), Err(DocumentError::NotText)));
    let huge = format!(
        "<smartLicense><RUMReport><![CDATA[{}]]></RUMReport></smartLicense>",
        "[".repeat(1 << 20)
    );
    assert!(Document::parse(huge.as_bytes()).is_err());
}

#[test]
fn an_authorization_code_is_recognised_as_such() {
    let file =
        "<smartLicense><smartLicenseAuthorization><x/></smartLicenseAuthorization></smartLicense>";
    assert!(Document::parse(file.as_bytes()).unwrap().has_authorization);
}

#[test]
fn archives_are_read_within_limits() {
    let limits = ArchiveLimits { total_bytes_max: 1000, member_bytes_max: 1000, members_max: 2 };
    let member = |name: &str, size| Member { name: name.to_owned(), bytes: vec![b'x'; size] };
    let good = write_tar(&[member("a.txt", 10), member("b/c.txt", 20)]);
    assert!(is_tar(&good));
    assert_eq!(read_members(&good, limits).unwrap().len(), 2);
    let many = write_tar(&[member("a", 1), member("b", 1), member("c", 1)]);
    assert!(matches!(read_members(&many, limits), Err(ArchiveError::TooManyMembers(2))));
    let large = write_tar(&[member("a", 2000)]);
    assert!(matches!(read_members(&large, limits), Err(ArchiveError::TooLarge(1000))));
    assert!(read_members(&good[..700], limits).is_err());
    assert!(read_members(b"\x1f\x8bnot gzip", limits).is_err());
}

#[test]
fn a_renewal_that_was_cut_off_between_its_files_is_found_at_the_start() {
    let before = Authority::create("Example CSSM", NOW).unwrap();
    let after = before.renewed(NOW, false).unwrap();
    assert!(before.identity().is_ok() && after.identity().is_ok());
    let signing_key = after.signing_key.clone();
    let torn = Authority { signing_key, ..before };
    let error = torn.identity().err().unwrap().to_string();
    assert!(error.contains("renew the signing key"), "{error}");
}

#[test]
fn what_is_put_behind_the_end_of_an_archive_is_not_lost_in_silence() {
    let limits = ArchiveLimits { total_bytes_max: 9000, member_bytes_max: 1000, members_max: 9 };
    let one = |name: &str| write_tar(&[Member { name: name.to_owned(), bytes: b"x".to_vec() }]);
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut out, bytes).unwrap();
        out.finish().unwrap()
    };
    let joined = [one("a"), one("b")].concat();
    let inside = write_tar(&[Member { name: "in.tar".to_owned(), bytes: joined.clone() }]);
    let parts = [gzip(&one("a")), gzip(&one("b"))].concat();
    for bytes in [gzip(&joined), joined, inside, parts] {
        assert!(matches!(read_members(&bytes, limits), Err(ArchiveError::Behind)));
    }
    // Tar fills its last block up.
    let padded = [one("a"), vec![0; 10_240]].concat();
    assert_eq!(read_members(&padded, limits).unwrap().len(), 1);
}

#[test]
fn two_that_say_two_things_are_refused_and_twice_the_same_is_once() {
    // One reader would believe the first, another the last.
    let signed = |text: &str| format!("<data>{text}</data><signature>AAAA</signature>");
    let info = |serial: &str| {
        format!(
            "{{\"sudi\":{{\"udi_pid\":\"N9K-C93180YC-FX3\",\"udi_serial_number\":\"{serial}\"}},\
             \"software_tag_identifier\":\"x\"}}"
        )
    };
    let account = |name: &str| {
        format!(
            "<customerInfo><smartAccount>{name}</smartAccount></customerInfo>\
             <signature>AAAA</signature>"
        )
    };
    let element = |name: &str, inside: &str| format!("<{name}>{inside}</{name}>");
    let revocation = |version: u32| {
        signed(&format!(
            "{{\"purpose\":\"revocation\",\"issuer\":\"x\",\"version\":{version},\
             \"issued_at\":1,\"certificates\":[]}}"
        ))
    };
    let twice = [
        ("smartLicenseCertificate", "AAAA".to_owned(), "BBBB".to_owned()),
        ("smartLicenseDeviceInfo", info("A"), info("B")),
        ("smartLicenseAccountInfo", account("A"), account("B")),
        ("smartLicenseRevocation", revocation(1), revocation(2)),
    ];
    for (name, first, second) in twice {
        let file = |parts: [&str; 2]| {
            format!("<smartLicense>{}</smartLicense>", parts.map(|p| element(name, p)).concat())
        };
        let differ = Document::parse(file([&first, &second]).as_bytes()).unwrap_err().to_string();
        assert!(differ.contains("stands twice"), "{name}: {differ}");
        Document::parse(file([&first, &first]).as_bytes()).unwrap();
    }
    // Within an element: a text and its signature.
    for inside in [
        "<data>[]</data><data>[ ]</data><signature>AAAA</signature>",
        "<data>[]</data><signature>AAAA</signature><signature></signature>",
    ] {
        let file = element("smartLicense", &element("smartLicenseRumAck", inside));
        let differ = Document::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(differ.contains("stands twice"), "{differ}");
    }
    let two = account("A") + &account("A").replace("A<", "B<");
    let file = element("smartLicense", &element("smartLicenseAccountInfo", &two));
    assert!(Document::parse(file.as_bytes()).unwrap_err().to_string().contains("stands twice"));
}

proptest! {
    #[test]
    fn any_report_survives_writing_and_reading(
        spans in prop::collection::vec((0i64..1 << 36, 0i64..1 << 30, any::<u32>(), prop::option::of(any::<i32>())), 1..20),
        version in "[ -~]{0,40}", piid in "[ -~]{0,40}",
    ) {
        let measurements = spans.into_iter().map(|(start, length, count, delta)| Measurement {
            log_time: Timestamp(start), start_time: Timestamp(start), end_time: Timestamp(start + length),
            count, termination_reason: None, clock_change_delta: delta.map(i64::from), resolution_seconds: None,
        }).collect();
        let mut original = report(measurements);
        original.software_version = version;
        original.product_instance_identifier = piid;
        let payload = report_text(&original);
        let signature = ReportSignature { sudi: original.udi.clone(), signing_type: String::new(), key: String::new(), value: String::new() };
        let signed = SignedReport::from_parts(payload, signature).unwrap();
        prop_assert_eq!(&signed.report, &original);
        let mut writer = DocumentWriter::new();
        let file = writer.report(&signed).finish();
        prop_assert_eq!(Document::parse(file.as_bytes()).unwrap().reports.remove(0), signed);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ignored = Document::parse(&bytes).is_ok();
        let _ignored = read_members(&bytes, ArchiveLimits { total_bytes_max: 4096, member_bytes_max: 4096, members_max: 4 }).is_ok();
    }

    #[test]
    fn no_damage_makes_the_reader_panic(index in 0usize..4000, value in any::<u8>(), cut in 0usize..4000) {
        let signed = sign_report(report(vec![one_measurement()]), device());
        let mut bytes = DocumentWriter::new().report(&signed).finish().into_bytes();
        let index = index % bytes.len();
        bytes[index] = value;
        bytes.truncate(bytes.len() - cut % 50);
        let _ignored = Document::parse(&bytes).is_ok();
    }
}

#[test]
fn a_key_in_pem_is_the_key_that_was_written() {
    let issuer = Authority::create("test", Timestamp(1_800_000_000)).unwrap().identity().unwrap();
    for key in [device().public_key(), issuer.signer.public_key()] {
        let pem = key.to_pem();
        assert_eq!(PublicKey::from_pem(&pem).as_ref(), Some(key));
        assert_eq!(PublicKey::from_pem(&pem.replace('\n', "\r\n")).as_ref(), Some(key));
        assert_ne!(PublicKey::from_pem(&pem[..pem.len() / 2]).as_ref(), Some(key));
    }
    for wrong in ["", "-----BEGIN PUBLIC KEY-----\n", "x", "\u{e9}"] {
        assert_eq!(PublicKey::from_pem(wrong), None, "{wrong:?}");
    }
}

#[test]
fn times_that_no_clock_tells_are_impossible() {
    let told = |start: i64, end: i64, offset: i64| {
        let mut report = report(vec![Measurement {
            start_time: Timestamp(start),
            end_time: Timestamp(end),
            ..one_measurement()
        }]);
        report.lineage = Some(Lineage { clock_offset_seconds: offset, ..Lineage::default() });
        report.impossible(NOW)
    };
    let now = NOW.0;
    assert_eq!(told(now - 100, now, 0), None);
    // A clock that began in 1970, and one that was decades ahead.
    assert_eq!(told(now - 100, now, now - 100), None);
    assert_eq!(told(now - 100, now, -1_000_000_000), None);
    for (start, end, offset) in [
        (now - 100, now, 9_000_000_000_000_000_000),
        (now - 100, now, -9_000_000_000_000_000_000),
        (now - 100, now, now - 99),
        (i64::MIN + 10, now, -9_000_000_002_000_000_000),
        (-100_000_000_000, now, -200_000_000_000),
        (now - 100, now, -253_402_300_799),
    ] {
        assert!(told(start, end, offset).is_some(), "{start} {end} {offset}");
    }
}
