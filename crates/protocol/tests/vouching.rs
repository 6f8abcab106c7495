//! Who stands behind a file: CSSM, whoever wrote it, or nobody (FILE-009, PI-TRUST-008).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use rumline_protocol::*;

struct Seed(u8);

impl Random for Seed {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(5).wrapping_add(13);
            *byte = self.0;
        }
    }
}

const NOW: Timestamp = Timestamp(1_790_000_000);

fn udi(serial: &str) -> Udi {
    Udi::new("N9K-C93180YC-FX3", serial).unwrap()
}

fn report(serial: &str, signer: &dyn Signer) -> SignedReport {
    let report = RumReport {
        software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
        udi: udi(serial),
        product_instance_identifier: "1".to_owned(),
        asset_signature: None,
        entitlement_tag: EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_y")
            .unwrap(),
        report_id: 1,
        software_version: "10.4(3)".to_owned(),
        previous: None,
        lineage: None,
        ha_udi: Vec::new(),
        measurements: vec![Measurement {
            log_time: NOW,
            start_time: NOW - 900,
            end_time: NOW,
            count: 1,
            termination_reason: None,
            clock_change_delta: None,
            resolution_seconds: None,
        }],
    };
    sign_report(report, signer)
}

fn code(key: &PublicKey, by: &SigningIdentity) -> Signed<TrustCode> {
    let code = TrustCode {
        trust_id: 1,
        sudi: udi("SN1"),
        product_instance_identifier: "1".to_owned(),
        public_key: key.clone(),
        smart_account: "Example".to_owned(),
        virtual_account: "Default".to_owned(),
        issued_at: NOW - 1000,
        expires_at: NOW.plus_days(365),
        purpose: Purpose::TrustCode,
        answers: "nonce".to_owned(),
        conversions: Vec::new(),
    };
    Signed::json(code, by.signer.as_ref())
}

fn info(key: &PublicKey, reports: &[&SignedReport], signer: &dyn Signer) -> Signed<SystemInfo> {
    let digests: Vec<_> = reports.iter().map(|report| report.sha256()).collect();
    let info = SystemInfo {
        sudi: udi("SN1"),
        hostname: None,
        timestamp: NOW,
        nonce: "nonce".to_owned(),
        software_tag_identifier: "x".to_owned(),
        software_version: None,
        public_key: key.clone(),
        purpose: Purpose::UsageFile,
        audience: String::new(),
        reports: digests.len() as u64,
        reports_sha256: SystemInfo::digest_of(digests.iter()),
    };
    Signed::json(info, signer)
}

#[test]
fn cssm_vouches_for_a_devices_key_and_for_no_other_beside_it() {
    let mut seed = Seed(1);
    let (root, cssm) = SimulatedSuite::authority(&mut seed);
    let device = SimulatedSuite.generate_device_key(&mut seed).unwrap();
    let stranger = SimulatedSuite.generate_device_key(&mut seed).unwrap();
    let roots = [root];
    let look = |roots: &[Vec<u8>], reports: &[&SignedReport], signer: &dyn Signer| {
        let mut file = DocumentWriter::new();
        for report in reports {
            file.report(report);
        }
        file.system_info(&info(signer.public_key(), reports, signer));
        file.trust_code(&code(device.public_key(), &cssm)).certificate(&cssm.certificate);
        let text = file.finish();
        let trusted = Trusted { suite: &SimulatedSuite, roots, keys: &[], now: NOW };
        let verdict = verify_bytes(text.as_bytes(), trusted);
        (verdict.voucher(), format!("{:?}", verdict.findings))
    };
    let own = report("SN1", device.as_ref());
    let (voucher, found) = look(&roots, &[&own], device.as_ref());
    assert_eq!(voucher, Voucher::Cssm, "{found}");
    // Without a root nobody can tell.
    let (voucher, found) = look(&[], &[&own], device.as_ref());
    assert_eq!(voucher, Voucher::Itself, "{found}");
    // Somebody else's key, shown beside the trust code of the device.
    let forged = report("SN1", stranger.as_ref());
    let (voucher, found) = look(&roots, &[&forged], stranger.as_ref());
    assert_eq!(voucher, Voucher::Nobody, "{found}");
    // The device's key says nothing of another device.
    let of_another = report("SN2", device.as_ref());
    let (voucher, found) = look(&roots, &[&of_another], device.as_ref());
    assert_eq!(voucher, Voucher::Nobody, "{found}");
    // One more than the device says are in the file, and one less.
    for reports in [vec![&own, &forged], vec![]] {
        let mut file = DocumentWriter::new();
        for report in reports {
            file.report(report);
        }
        file.system_info(&info(device.public_key(), &[&own], device.as_ref()));
        file.trust_code(&code(device.public_key(), &cssm)).certificate(&cssm.certificate);
        let trusted = Trusted { suite: &SimulatedSuite, roots: &roots, keys: &[], now: NOW };
        let verdict = verify_bytes(file.finish().as_bytes(), trusted);
        assert_eq!(verdict.voucher(), Voucher::Nobody, "{:?}", verdict.findings);
    }
}
