//! A device by hand: it signs whatever a test wants.

use rumline_protocol::*;

use super::{SOFTWARE_TAG, chance, lan_tag, udi};

pub(crate) struct Device {
    pub(crate) udi: Udi,
    pub(crate) signer: Box<dyn Signer>,
    pub(crate) version: &'static str,
    pub(crate) hostname: Option<&'static str>,
}

impl Device {
    pub(crate) fn new(serial: &str) -> Self {
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        Self { udi: udi(serial), signer, version: "10.4(3)", hostname: Some("leaf-101") }
    }

    pub(crate) fn request(&self, body: RequestBody) -> Request {
        Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: random_hex(&mut chance(), 16),
            timestamp: 0,
            nonce: random_hex(&mut chance(), 8),
            sudi: self.udi.clone(),
            hostname: self.hostname.map(str::to_owned),
            software_version: Some(self.version.to_owned()),
            software_tag_identifier: SOFTWARE_TAG.to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            public_key: None,
            proof: None,
            body,
        }
    }

    fn proven(&self, body: RequestBody) -> Request {
        let mut request = self.request(body);
        let signature = self.signer.sign(request.proof_text().as_bytes());
        request.proof = Some(base64(&signature));
        request
    }

    pub(crate) fn trust_request(&self, now: Timestamp) -> TrustRequest {
        TrustRequest {
            sudi: self.udi.clone(),
            role: Role::Active,
            product_instance_identifier: "piid".to_owned(),
            public_key: self.signer.public_key().clone(),
            timestamp: now,
            nonce: random_hex(&mut chance(), 8),
        }
    }

    pub(crate) fn signed(&self, request: TrustRequest) -> SignedText {
        let signed = Signed::json(request, self.signer.as_ref());
        SignedText { data: signed.text, signature: base64(&signed.signature) }
    }

    pub(crate) fn trust(&self, now: Timestamp, token: &str, force: bool) -> Request {
        let trust_requests = vec![self.signed(self.trust_request(now))];
        let id_token = token.to_owned();
        self.request(RequestBody::TrustRequest { id_token, force, trust_requests })
    }

    pub(crate) fn unsigned_report(
        &self,
        id: u64,
        from: Timestamp,
        spans: &[(i64, u32)],
    ) -> RumReport {
        let mut start_time = from;
        let measurements = spans.iter().map(|(seconds, count)| {
            let end_time = start_time + *seconds;
            let measurement = Measurement {
                log_time: end_time,
                start_time,
                end_time,
                count: *count,
                termination_reason: Some(TerminationReason::CurrentUsageRequested),
                clock_change_delta: None,
            };
            start_time = end_time;
            measurement
        });
        RumReport {
            software_tag: SOFTWARE_TAG.to_owned(),
            udi: self.udi.clone(),
            product_instance_identifier: "piid".to_owned(),
            asset_signature: None,
            entitlement_tag: lan_tag(),
            report_id: id,
            software_version: self.version.to_owned(),
            previous: None,
            ha_udi: vec![HaMember { role: Role::Active, sudi: self.udi.clone() }],
            measurements: measurements.collect(),
        }
    }

    /// A report: from when, and for how many seconds how many were in use.
    pub(crate) fn report(&self, id: u64, from: Timestamp, spans: &[(i64, u32)]) -> SignedReport {
        sign_report(self.unsigned_report(id, from, spans), self.signer.as_ref())
    }

    pub(crate) fn usage(&self, reports: &[&SignedReport]) -> Request {
        let item = |report: &&SignedReport| UsageItem {
            payload: report.payload.clone(),
            signature: report.signature.clone(),
        };
        let usage = reports.iter().map(item).collect();
        self.request(RequestBody::UsageReport { usage, trust_requests: Vec::new() })
    }

    pub(crate) fn poll(&self, poll_id: &str) -> Request {
        self.proven(RequestBody::ResultPoll { poll_id: poll_id.to_owned() })
    }

    pub(crate) fn sync(&self) -> Request {
        self.proven(RequestBody::TrustSync {})
    }

    /// A usage file as a switch would save it.
    pub(crate) fn usage_file(&self, now: Timestamp, reports: &[&SignedReport]) -> String {
        let info = SystemInfo {
            sudi: self.udi.clone(),
            hostname: self.hostname.map(str::to_owned),
            timestamp: now,
            nonce: random_hex(&mut chance(), 8),
            software_tag_identifier: SOFTWARE_TAG.to_owned(),
            software_version: Some(self.version.to_owned()),
            public_key: self.signer.public_key().clone(),
        };
        let mut writer = DocumentWriter::new();
        for report in reports {
            writer.report(report);
        }
        writer.system_info(&Signed::json(info, self.signer.as_ref()));
        writer.finish()
    }
}
