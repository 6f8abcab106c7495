//! Writing `smartLicense` documents.

use crate::account::AccountInfo;
use crate::ack::Acknowledgement;
use crate::crypto::SignerCertificate;
use crate::document::{DeviceInfo, ReportRequest, Signed, SystemInfo};
use crate::older::OlderAnswer;
use crate::policy::Policy;
use crate::report::{ReportSignature, SignedReport};
use crate::revocation::Revocation;
use crate::text::{base64, cdata_json, xml_escape};
use crate::trust::{TrustCode, TrustRequest};

/// Writes a document in the guide's layout.
#[derive(Debug)]
pub struct DocumentWriter {
    out: String,
}

impl Default for DocumentWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl DocumentWriter {
    /// What every document starts with.
    const HEAD: &'static str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<smartLicense>\n";

    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self { out: Self::HEAD.to_owned() }
    }

    /// Adds a RUM report.
    pub fn report(&mut self, report: &SignedReport) -> &mut Self {
        self.kept_report(&report.payload, &report.signature)
    }

    /// Adds a RUM report that is only passed on, byte for byte.
    pub fn kept_report(&mut self, payload: &str, signature: &ReportSignature) -> &mut Self {
        self.out.push_str("<RUMReport>\n<![CDATA[\n");
        self.out.push_str(&crate::report::envelope(payload, signature));
        self.out.push_str("\n]]>\n</RUMReport>\n");
        self
    }

    /// Adds an ACK; its text is that of [`crate::acknowledgement_text`].
    pub fn acknowledgement(&mut self, signed: &Signed<Vec<Acknowledgement>>) -> &mut Self {
        self.signed("smartLicenseRumAck", &signed.text, &signed.signature)
    }

    /// Adds a policy.
    pub fn policy(&mut self, signed: &Signed<Policy>) -> &mut Self {
        self.signed("smartLicensePolicy", &signed.text, &signed.signature)
    }

    /// Adds a trust code.
    pub fn trust_code(&mut self, signed: &Signed<TrustCode>) -> &mut Self {
        self.signed("smartLicenseTrustCode", &signed.text, &signed.signature)
    }

    /// Adds a request for a trust code.
    pub fn trust_request(&mut self, signed: &Signed<TrustRequest>) -> &mut Self {
        self.signed("smartLicenseTrustRequest", &signed.text, &signed.signature)
    }

    /// Adds what CSSM asks a product instance for.
    pub fn report_request(&mut self, signed: &Signed<ReportRequest>) -> &mut Self {
        self.signed("smartLicenseReportRequest", &signed.text, &signed.signature)
    }

    /// Adds what CSSM says to what a collector passed on of a switch of before.
    pub fn older_answer(&mut self, signed: &Signed<OlderAnswer>) -> &mut Self {
        self.signed("smartLicenseOlderAnswer", &signed.text, &signed.signature)
    }

    /// Adds the list of certificates that hold no more.
    pub fn revocation(&mut self, signed: &Signed<Revocation>) -> &mut Self {
        self.signed("smartLicenseRevocation", &signed.text, &signed.signature)
    }

    /// Adds what the switch says about itself.
    pub fn system_info(&mut self, signed: &Signed<SystemInfo>) -> &mut Self {
        self.signed("smartLicenseSystemInfo", &signed.text, &signed.signature)
    }

    /// Adds what a collector says about the device.
    pub fn device_info(&mut self, info: &DeviceInfo) -> &mut Self {
        let text = cdata_json(info);
        self.out.push_str(&format!(
            "<smartLicenseDeviceInfo>\n<![CDATA[{text}]]>\n</smartLicenseDeviceInfo>\n"
        ));
        self
    }

    fn signed(&mut self, element: &str, text: &str, signature: &[u8]) -> &mut Self {
        let signature = base64(signature);
        self.out.push_str(&format!(
            "<{element}>\n  <data>\n    <![CDATA[{text}]]>\n  </data>\n  \
             <signature>{signature}</signature>\n</{element}>\n"
        ));
        self
    }

    /// Adds account information, laid out as the guide prints it.
    pub fn account(&mut self, signed: &Signed<AccountInfo>) -> &mut Self {
        self.out.push_str(&format!(
            "<smartLicenseAccountInfo>\n  <customerInfo>{}</customerInfo>\n  \
             <signature>{}</signature>\n  </smartLicenseAccountInfo>\n",
            signed.text,
            base64(&signed.signature)
        ));
        self
    }

    /// Adds the correlation id.
    pub fn correlation_id(&mut self, id: &str) -> &mut Self {
        self.out.push_str(&format!("  <correlationID>{}</correlationID>\n", xml_escape(id)));
        self
    }

    /// Adds the certificate of the signing key.
    pub fn certificate(&mut self, certificate: &SignerCertificate) -> &mut Self {
        let text = base64(&certificate.0);
        self.out.push_str(&format!("<smartLicenseCertificate>{text}</smartLicenseCertificate>\n"));
        self
    }

    /// What was added since the last piece was taken, to be written before all that follows.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// The finished text, or the last piece of it.
    #[must_use]
    pub fn finish(&self) -> String {
        format!("{}</smartLicense>\n", self.out)
    }
}
