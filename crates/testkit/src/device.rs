//! A device by hand: it signs whatever a test wants.

use rumline_cssm::Cssm;
use rumline_protocol::*;

use crate::{SOFTWARE_TAG, chance, lan_tag, udi};

pub struct Device {
    pub udi: Udi,
    pub signer: Box<dyn Signer>,
    pub version: &'static str,
    pub hostname: Option<&'static str>,
    /// The CSSM it speaks to.
    pub cssm: String,
}

impl Device {
    pub fn new(cssm: &Cssm, serial: &str) -> Self {
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let cssm = cssm.id().to_owned();
        Self { udi: udi(serial), signer, version: "10.4(3)", hostname: Some("leaf-101"), cssm }
    }

    pub fn request(&self, body: RequestBody) -> Request {
        Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: random_hex(&mut chance(), 16),
            timestamp: 0,
            nonce: random_hex(&mut chance(), 8),
            sudi: self.udi.clone(),
            hostname: self.hostname.map(str::to_owned),
            software_version: Some(self.version.to_owned()),
            customer_tags: Default::default(),
            software_tag_identifier: SOFTWARE_TAG.to_owned(),
            agent_version: "5.7.30_rel/108".to_owned(),
            public_key: None,
            proof: None,
            body,
        }
    }

    fn proven(&self, now: Timestamp, body: RequestBody) -> Request {
        let mut request = self.request(body);
        request.timestamp = now.millis();
        let signature = self.signer.sign(request.proof_text(&self.cssm).as_bytes());
        request.proof = Some(base64(&signature));
        request
    }

    pub fn trust_request(&self, now: Timestamp) -> TrustRequest {
        TrustRequest {
            sudi: self.udi.clone(),
            role: Role::Active,
            product_instance_identifier: "piid".to_owned(),
            public_key: self.signer.public_key().clone(),
            timestamp: now,
            nonce: random_hex(&mut chance(), 8),
            purpose: Purpose::TrustRequest,
            audience: self.cssm.clone(),
            token_sha256: None,
            force: false,
            smart_account: None,
            virtual_account: None,
            conversion: Vec::new(),
            valid_until: now.plus_days(TrustRequest::CARRIED_DAYS),
        }
    }

    /// A trust request for a token.
    pub fn token_request(&self, now: Timestamp, token: &str, force: bool) -> TrustRequest {
        TrustRequest {
            token_sha256: Some(TrustRequest::token_digest(token)),
            force,
            valid_until: now + TrustRequest::BY_WIRE_SECONDS,
            ..self.trust_request(now)
        }
    }

    pub fn signed(&self, request: TrustRequest) -> SignedText {
        let signed = Signed::json(request, self.signer.as_ref());
        SignedText { data: signed.text, signature: base64(&signed.signature) }
    }

    pub fn trust(&self, now: Timestamp, token: &str, force: bool) -> Request {
        let trust_requests = vec![self.signed(self.token_request(now, token, force))];
        let id_token = token.to_owned();
        self.request(RequestBody::TrustRequest { id_token, force, trust_requests })
    }

    /// A registration as before Smart Licensing Using Policy.
    pub fn older_registration(&self, now: Timestamp, token: &str, force: bool) -> Request {
        let trust_requests = vec![self.signed(self.token_request(now, token, force))];
        let mut request = self.request(RequestBody::SmartLicensing {
            call: OlderCall::Register,
            id_token: Some(token.to_owned()),
            force,
            trust_requests,
            uses: Vec::new(),
        });
        request.timestamp = now.millis();
        request
    }

    /// What else is said by such a registration.
    pub fn older(
        &self,
        now: Timestamp,
        call: OlderCall,
        uses: &[(EntitlementTag, u32)],
    ) -> Request {
        let uses = uses.iter().map(|(tag, count)| OlderUse { tag: tag.clone(), count: *count });
        self.proven(
            now,
            RequestBody::SmartLicensing {
                call,
                id_token: None,
                force: false,
                trust_requests: Vec::new(),
                uses: uses.collect(),
            },
        )
    }

    pub fn unsigned_report(&self, id: u64, from: Timestamp, spans: &[(i64, u32)]) -> RumReport {
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
                resolution_seconds: None,
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
            lineage: None,
            ha_udi: vec![HaMember { role: Role::Active, sudi: self.udi.clone() }],
            measurements: measurements.collect(),
        }
    }

    /// A report: from when, and for how many seconds how many were in use.
    pub fn report(&self, id: u64, from: Timestamp, spans: &[(i64, u32)]) -> SignedReport {
        sign_report(self.unsigned_report(id, from, spans), self.signer.as_ref())
    }

    /// Reports of one chain, numbered from 101: each goes on from the one before.
    pub fn chain(&self, parts: &[(Timestamp, &[(i64, u32)])]) -> Vec<SignedReport> {
        let mut previous: Option<PreviousReport> = None;
        let mut reports = Vec::new();
        for ((from, spans), position) in parts.iter().zip(1..) {
            let mut report = self.unsigned_report(100 + position, *from, spans);
            report.previous = previous.take();
            let audience = self.cssm.clone();
            report.lineage = Some(Lineage { audience, position, ..Lineage::default() });
            let signed = sign_report(report, self.signer.as_ref());
            let sha256 = base64(&signed.sha256());
            previous = Some(PreviousReport { report_id: signed.report.report_id, sha256 });
            reports.push(signed);
        }
        reports
    }

    pub fn usage(&self, reports: &[&SignedReport]) -> Request {
        let item = |report: &&SignedReport| UsageItem {
            payload: report.payload.clone(),
            signature: report.signature.clone(),
        };
        let usage = reports.iter().map(item).collect();
        self.request(RequestBody::UsageReport {
            usage,
            trust_requests: Vec::new(),
            smart_license: None,
            sync: false,
        })
    }

    pub fn poll(&self, now: Timestamp, poll_id: &str) -> Request {
        self.proven(now, RequestBody::ResultPoll { poll_id: poll_id.to_owned() })
    }

    pub fn sync(&self, now: Timestamp) -> Request {
        self.proven(now, RequestBody::SYNC)
    }

    /// A usage file as a switch would save it.
    pub fn usage_file(&self, now: Timestamp, reports: &[&SignedReport]) -> String {
        let info = SystemInfo {
            sudi: self.udi.clone(),
            hostname: self.hostname.map(str::to_owned),
            timestamp: now,
            nonce: random_hex(&mut chance(), 8),
            software_tag_identifier: SOFTWARE_TAG.to_owned(),
            software_version: Some(self.version.to_owned()),
            public_key: self.signer.public_key().clone(),
            purpose: Purpose::UsageFile,
            audience: self.cssm.clone(),
            reports: reports.len() as u64,
            reports_sha256: {
                let digests: Vec<_> = reports.iter().map(|report| report.sha256()).collect();
                SystemInfo::digest_of(digests.iter())
            },
        };
        let mut writer = DocumentWriter::new();
        for report in reports {
            writer.report(report);
        }
        writer.system_info(&Signed::json(info, self.signer.as_ref()));
        writer.finish()
    }
}
