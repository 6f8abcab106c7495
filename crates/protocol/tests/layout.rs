//! Files are laid out byte for byte as the guide prints them (FILE-001, 002, 003, 006, 007, 008).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::path::PathBuf;

use rumline_protocol::{Document, DocumentWriter, SignedReport, report_text};

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The guide's own samples, where they lie beside the project.
fn guide_sample(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/golden/files");
    std::fs::read_to_string(path.join(name)).ok()
}

fn rewrite_reports(file: &str) -> String {
    let document = Document::parse(file.as_bytes()).unwrap();
    let mut writer = DocumentWriter::new();
    for report in &document.reports {
        // Written anew from what the report says, not from the kept text.
        let mut report = report.clone();
        report.payload = report_text(&report.report);
        writer.report(&report);
    }
    writer.finish()
}

#[test]
fn a_report_is_laid_out_as_in_the_guide() {
    let file = golden("rum_report.xml");
    assert_eq!(rewrite_reports(&file), file);
}

#[test]
fn the_guides_own_report_is_reproduced() {
    let Some(file) = guide_sample("rum_report_sample.xml") else {
        return;
    };
    // The guide's sample was anonymised: payload and signature name different serial numbers.
    assert!(Document::parse(file.as_bytes()).is_err());
    let same_serial = file.replace("FDOkjahwdiuw78", "FDjhjudyw8778");
    assert_eq!(rewrite_reports(&same_serial), same_serial);
}

fn rewrite_ack(file: &str) -> String {
    let document = Document::parse(file.as_bytes()).unwrap();
    let mut writer = DocumentWriter::new();
    for ack in &document.acknowledgements {
        let mut ack = ack.clone();
        ack.text = rumline_protocol::acknowledgement_text(&ack.value);
        writer.acknowledgement(&ack);
    }
    let mut account = document.account.unwrap();
    account.text = account.value.signed_text();
    writer.account(&account);
    writer.correlation_id(&document.correlation_id.unwrap());
    writer.finish()
}

#[test]
fn an_ack_is_laid_out_as_in_the_guide() {
    let file = golden("rum_ack.xml");
    assert_eq!(rewrite_ack(&file), file);
}

#[test]
fn the_guides_own_ack_is_reproduced() {
    let Some(file) = guide_sample("rum_ack_sample.xml") else {
        return;
    };
    // Its anonymised signatures are not base64; their values do not matter here.
    let mut parts = file.split("<signature>");
    let mut readable = parts.next().unwrap().to_owned();
    for part in parts {
        let end = part.find('<').unwrap();
        readable.push_str("<signature>AAEC");
        readable.push_str(&part[end..]);
    }
    assert_eq!(rewrite_ack(&readable), readable);
}

#[test]
fn both_public_forms_of_a_report_say_the_same() {
    let file = golden("rum_report.xml");
    let object = Document::parse(file.as_bytes()).unwrap().reports.remove(0);
    let signature = serde_json::to_string(&object.signature).unwrap();
    let payload = serde_json::to_string(&object.payload).unwrap();
    let string_form = format!("{{\"payload\": {payload}, \"signature\": {signature}}}");
    assert_eq!(SignedReport::parse(&string_form).unwrap(), object);
    // C-55: both spellings of the identifier are read.
    let other = object.payload.replace("identifer", "identifier");
    let other = SignedReport::from_parts(other, object.signature.clone()).unwrap();
    assert_eq!(other.report, object.report);
}

#[test]
fn a_version_2_report_is_read() {
    let payload = r#"{"version":"2.0","asset_identification":{"report_id":1700000001,"asset":{"name":"regid.2018-05.com.example.BOX,1.0_a"},"instance":{"sudi":{"udi_pid":"BOX","udi_serial_number":"S1"}}},"signature":{"signing_type":"builtin","key":"k","value":"AA=="},"meta":{"entitlement_tag":"regid.2018-06.com.example.FEATURE,1.0_b","utility_enabled":false,"software_version":"17.09.02","ha_udi":[]},"measurements":[{"log_time":5,"metric_name":"ENTITLEMENT","start_time":1,"end_time":5,"sample_interval":4,"num_samples":1,"meta":{"added_sudi_list":[],"clock_change_delta":"-3433","termination_reason":"SomethingNew"},"value":{"type":"COUNT","value":"2"}}]}"#;
    let signature = rumline_protocol::ReportSignature {
        sudi: rumline_protocol::Udi::new("BOX", "S1").unwrap(),
        signing_type: "builtin".to_owned(),
        key: "k".to_owned(),
        value: "AA==".to_owned(),
    };
    let report = SignedReport::from_parts(payload.to_owned(), signature).unwrap().report;
    assert_eq!(report.report_id, 1_700_000_001);
    assert_eq!(report.last_count(), 2);
    assert_eq!(report.measurements[0].clock_change_delta, Some(-3433));
    assert_eq!(report.measurements[0].termination_reason.as_ref().unwrap().label(), "SomethingNew");
}
