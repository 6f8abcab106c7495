//! The `smartLicense` document: the one XML form of every file and answer (FILE-001 to 012).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::account::AccountInfo;
use crate::ack::Acknowledgement;
use crate::crypto::{PublicKey, Signer, SignerCertificate, Suite, sha256};
use crate::identity::Udi;
use crate::older::{OlderAnswer, OlderWord};
use crate::policy::Policy;
use crate::report::{ReportError, SignedReport};
use crate::revocation::Revocation;
use crate::statement::Purpose;
use crate::text::{base64, cdata_json, from_base64, json_words, verified_text};
use crate::time::Timestamp;
use crate::trust::{TrustCode, TrustRequest};

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Too large to be read whole.
    #[error("the file has {bytes} bytes; {max} is the most that is read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Not UTF-8 text.
    #[error("the file is not text: it is damaged, or of another kind")]
    NotText,
    /// Text, but of another kind.
    #[error("the file is no licensing file: it does not begin like XML")]
    NotXml,
    /// Not well-formed XML.
    #[error("the file is damaged near byte {at}, or was cut off: copy it again, in binary mode")]
    Xml {
        /// Where.
        at: u64,
    },
    /// A document type declaration, or nesting deeper than any of ours.
    #[error("the file holds {0}, which is not accepted")]
    Forbidden(&'static str),
    /// Well-formed, but none of the known kinds.
    #[error("the file is XML but holds no licensing element")]
    NothingInside,
    /// An element with content that does not fit.
    #[error("the {element} element is not usable: {detail}")]
    Element {
        /// Which.
        element: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A RUM report that cannot be read.
    #[error("RUM report number {index} in the file: {source}")]
    Report {
        /// Counted from 1.
        index: usize,
        /// What is wrong.
        source: ReportError,
    },
}

/// A value with the exact text that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    /// The text, byte for byte.
    pub text: String,
    /// The signature over it.
    pub signature: Vec<u8>,
    /// What the text says.
    pub value: T,
}

impl<T> Signed<T> {
    /// Signs a text that says `value`.
    pub fn new(text: String, value: T, signer: &dyn Signer) -> Self {
        let signature = signer.sign(text.as_bytes());
        Self { text, signature, value }
    }

    /// Whether `key` signed this text.
    #[must_use]
    pub fn verify(&self, suite: &dyn Suite, key: &PublicKey) -> bool {
        verified_text(suite, key, &self.text, &self.signature).is_some()
    }
}

impl Signed<Revocation> {
    /// Whether the root itself wrote this list.
    #[must_use]
    pub fn is_by(&self, suite: &dyn Suite, root_certificate: &[u8]) -> bool {
        self.value.purpose == Purpose::Revocation
            && self.value.issuer == crate::statement::cssm_id(root_certificate)
            && suite.root_key(root_certificate).is_some_and(|key| self.verify(suite, &key))
    }
}

impl<T: Serialize + DeserializeOwned> Signed<T> {
    /// Writes `value` as JSON and signs it.
    pub fn json(value: T, signer: &dyn Signer) -> Self {
        Self::new(cdata_json(&value), value, signer)
    }

    /// Reads a text and its signature, base64, as messages carry them.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn parse(
        element: &'static str,
        text: String,
        signature: &str,
    ) -> Result<Self, DocumentError> {
        let bad = |detail: String| DocumentError::Element { element, detail };
        let value = serde_json::from_str(text.trim()).map_err(|error| bad(json_words(&error)))?;
        let signature = from_base64(signature.trim())
            .ok_or_else(|| bad("its signature is not base64".to_owned()))?;
        Ok(Self { text, signature, value })
    }
}

/// What a saved usage file says about the switch that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemInfo {
    /// The switch.
    pub sudi: Udi,
    /// Its host name, unless hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// When the file was written.
    pub timestamp: Timestamp,
    /// Sixteen characters that make the file unique.
    pub nonce: String,
    /// The software tag.
    pub software_tag_identifier: String,
    /// The software version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// The key that signed the reports in the file.
    pub public_key: PublicKey,
    /// [`Purpose::UsageFile`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The CSSM it is for: [`crate::cssm_id`]; empty where the switch knows none.
    #[serde(default)]
    pub audience: String,
    /// How many reports the file holds.
    #[serde(default)]
    pub reports: u64,
    /// The digest of which, in which order: [`SystemInfo::digest_of`].
    #[serde(default)]
    pub reports_sha256: String,
}

impl SystemInfo {
    /// Base64 of SHA-256 over the digests of reports, one after the other.
    #[must_use]
    pub fn digest_of<'d>(reports: impl Iterator<Item = &'d [u8; 32]>) -> String {
        base64(&sha256(&reports.flatten().copied().collect::<Vec<u8>>()))
    }

    /// What is wrong with the reports beside it, if they are not those the device put there, in its order.
    #[must_use]
    pub fn not_whole(&self, digests: &[[u8; 32]]) -> Option<String> {
        if self.reports_sha256 == Self::digest_of(digests.iter()) {
            return None;
        }
        let (here, told) = (digests.len(), self.reports);
        Some(if here as u64 == told {
            "the reports are not those the device wrote into the file, or not in its order"
                .to_owned()
        } else {
            format!("the file holds {here} of the {told} reports the device wrote into it")
        })
    }
}

/// CSSM lacks reports that this product instance has: it was set back, or they got lost after it had acknowledged them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// [`Purpose::ReportRequest`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The product instance.
    pub sudi: Udi,
    /// When it was asked.
    pub issued_at: Timestamp,
    /// The epoch the reports are of; empty for the first.
    pub epoch: String,
    /// Their places in it: first and last of each range, both inside.
    pub positions: Vec<(u64, u64)>,
}

/// What a collector says about a device whose messages it keeps. Nothing in it is believed for its own sake: the key
/// is shown to be the device's by the reports it signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The device.
    pub sudi: Udi,
    /// Its host name, unless hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The software tag.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub software_tag_identifier: String,
    /// The software version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// The key that signed its reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// Of one that is registered with the collector as before Smart Licensing Using Policy: its newest word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<OlderWord>,
}

/// Everything a document can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// RUM reports.
    pub reports: Vec<SignedReport>,
    /// ACKs, each for many reports.
    pub acknowledgements: Vec<Signed<Vec<Acknowledgement>>>,
    /// The account an answer speaks for.
    pub account: Option<Signed<AccountInfo>>,
    /// Policies.
    pub policies: Vec<Signed<Policy>>,
    /// Trust codes.
    pub trust_codes: Vec<Signed<TrustCode>>,
    /// Requests for trust codes.
    pub trust_requests: Vec<Signed<TrustRequest>>,
    /// What CSSM asks for.
    pub report_requests: Vec<Signed<ReportRequest>>,
    /// What CSSM says to what a collector passed on of switches of before.
    pub older_answers: Vec<Signed<OlderAnswer>>,
    /// Certificates that hold no more.
    pub revocation: Option<Signed<Revocation>>,
    /// The switch that wrote the file.
    pub system_info: Option<Signed<SystemInfo>>,
    /// The device whose messages a collector kept in the file.
    pub device_info: Option<DeviceInfo>,
    /// Certificate of the key that signed ACKs, policies, trust codes and account information.
    pub signer: Option<SignerCertificate>,
    /// Names the exchange in both sides' logs.
    pub correlation_id: Option<String>,
    /// Whether an authorization code was found: never used on Nexus (PI-LIC-004).
    pub has_authorization: bool,
}

impl Document {
    /// The largest document read whole, in bytes.
    pub const BYTES_MAX: usize = 256 << 20;
    /// The deepest nesting of any form.
    const DEPTH_MAX: usize = 6;

    /// Reads a document.
    ///
    /// # Errors
    /// When it is not one, is too large, or holds what cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(DocumentError::TooLarge { bytes: bytes.len(), max: Self::BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if !text.trim_start().starts_with('<') {
            return Err(DocumentError::NotXml);
        }
        let mut document = Self::default();
        let mut cursor = Cursor { reader: Reader::from_str(text), text, depth: 0 };
        while let Some(element) = cursor.next_start()? {
            document.take(&mut cursor, &element)?;
        }
        if document == Self::default() {
            return Err(DocumentError::NothingInside);
        }
        Ok(document)
    }

    fn take(&mut self, cursor: &mut Cursor<'_>, element: &str) -> Result<(), DocumentError> {
        match element {
            // The root only wraps; its children come next.
            "smartLicense" => Ok(()),
            "RUMReport" => {
                let text = cursor.text_content()?;
                let index = self.reports.len() + 1;
                let report = SignedReport::parse(&text)
                    .map_err(|source| DocumentError::Report { index, source })?;
                self.reports.push(report);
                Ok(())
            }
            "smartLicenseRumAck" => {
                let signed = cursor.signed_json("smartLicenseRumAck")?;
                self.acknowledgements.push(signed);
                Ok(())
            }
            "smartLicensePolicy" => {
                self.policies.push(cursor.signed_json("smartLicensePolicy")?);
                Ok(())
            }
            "smartLicenseTrustCode" => {
                self.trust_codes.push(cursor.signed_json("smartLicenseTrustCode")?);
                Ok(())
            }
            "smartLicenseTrustRequest" => {
                self.trust_requests.push(cursor.signed_json("smartLicenseTrustRequest")?);
                Ok(())
            }
            "smartLicenseReportRequest" => {
                self.report_requests.push(cursor.signed_json("smartLicenseReportRequest")?);
                Ok(())
            }
            "smartLicenseOlderAnswer" => {
                self.older_answers.push(cursor.signed_json("smartLicenseOlderAnswer")?);
                Ok(())
            }
            "smartLicenseRevocation" => {
                let list = cursor.signed_json("smartLicenseRevocation")?;
                once(&mut self.revocation, list, "smartLicenseRevocation", element)
            }
            "smartLicenseSystemInfo" => {
                let info = cursor.signed_json("smartLicenseSystemInfo")?;
                once(&mut self.system_info, info, "smartLicenseSystemInfo", element)
            }
            "smartLicenseDeviceInfo" => {
                let text = cursor.text_content()?;
                let info = serde_json::from_str(text.trim()).map_err(|error| {
                    let detail = json_words(&error);
                    DocumentError::Element { element: "smartLicenseDeviceInfo", detail }
                })?;
                once(&mut self.device_info, info, "smartLicenseDeviceInfo", element)
            }
            "smartLicenseAccountInfo" => {
                let told = cursor.account_info()?;
                once(&mut self.account, told, "smartLicenseAccountInfo", element)
            }
            "smartLicenseCertificate" => {
                let text = cursor.text_content()?;
                let certificate = from_base64(text.trim()).ok_or(DocumentError::Element {
                    element: "smartLicenseCertificate",
                    detail: "it is not base64".to_owned(),
                })?;
                let signer = SignerCertificate(certificate);
                once(&mut self.signer, signer, "smartLicenseCertificate", element)
            }
            "correlationID" => {
                self.correlation_id = Some(cursor.text_content()?.trim().to_owned());
                Ok(())
            }
            other => {
                self.has_authorization |= other.contains("Auth");
                cursor.skip()
            }
        }
    }
}

/// Takes what may stand once. Two that differ are refused: one reader would believe the first, another the last.
pub(crate) fn once<T: PartialEq>(
    place: &mut Option<T>,
    found: T,
    element: &'static str,
    what: &str,
) -> Result<(), DocumentError> {
    if place.as_ref().is_some_and(|before| *before != found) {
        let detail = format!("{what} stands twice, and says two things");
        return Err(DocumentError::Element { element, detail });
    }
    *place = Some(found);
    Ok(())
}

/// A reader that knows where it stands and bounds what it accepts.
struct Cursor<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    depth: usize,
}

impl<'a> Cursor<'a> {
    fn event(&mut self) -> Result<Event<'a>, DocumentError> {
        let event = self
            .reader
            .read_event()
            .map_err(|_| DocumentError::Xml { at: self.reader.error_position() })?;
        match &event {
            Event::Start(_) => {
                self.depth += 1;
                if self.depth > Document::DEPTH_MAX {
                    return Err(DocumentError::Forbidden("elements nested too deep"));
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::DocType(_) => return Err(DocumentError::Forbidden("a DOCTYPE")),
            Event::Eof if self.depth > 0 => {
                return Err(DocumentError::Xml { at: self.reader.buffer_position() });
            }
            _ => {}
        }
        Ok(event)
    }

    /// The next element that starts at this level or any level above.
    fn next_start(&mut self) -> Result<Option<String>, DocumentError> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok(Some(local_name(&start))),
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// The text of the current element, up to its end; child elements are refused.
    fn text_content(&mut self) -> Result<String, DocumentError> {
        let mut content = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => content.push_str(&text),
                // White space around a CDATA section is layout, not content.
                Event::CData(data) => {
                    if !content.trim().is_empty() {
                        return Err(DocumentError::Forbidden("text beside a CDATA section"));
                    }
                    content.clear();
                    content.push_str(&data);
                    self.rest_after_cdata(&mut content)?;
                    return Ok(content);
                }
                Event::GeneralRef(reference) => {
                    content.push(resolve(&reference).ok_or(DocumentError::Forbidden("an entity"))?);
                }
                Event::End(_) => return Ok(content),
                Event::Start(_) | Event::Empty(_) => {
                    return Err(DocumentError::Forbidden("an element inside text"));
                }
                _ => {}
            }
        }
    }

    fn rest_after_cdata(&mut self, content: &mut String) -> Result<(), DocumentError> {
        loop {
            match self.event()? {
                Event::CData(data) => content.push_str(&data),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::End(_) => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                _ => return Err(DocumentError::Forbidden("text beside a CDATA section")),
            }
        }
    }

    /// Skips the current element with all inside.
    fn skip(&mut self) -> Result<(), DocumentError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.event()?;
        }
        Ok(())
    }

    /// `<data>` and `<signature>` of the current element.
    fn signed_json<T: Serialize + DeserializeOwned>(
        &mut self,
        element: &'static str,
    ) -> Result<Signed<T>, DocumentError> {
        let (mut data, mut signature) = (None, None);
        let outside = self.depth - 1;
        while self.depth > outside {
            if let Event::Start(start) = self.event()? {
                match local_name(&start).as_str() {
                    "data" => once(&mut data, self.text_content()?, element, "data")?,
                    "signature" => {
                        once(&mut signature, self.text_content()?, element, "signature")?;
                    }
                    _ => self.skip()?,
                }
            }
        }
        let missing = |what: &str| DocumentError::Element { element, detail: format!("no {what}") };
        let data = data.ok_or_else(|| missing("data"))?;
        Signed::parse(element, data, &signature.ok_or_else(|| missing("signature"))?)
    }

    fn account_info(&mut self) -> Result<Signed<AccountInfo>, DocumentError> {
        const ELEMENT: &str = "smartLicenseAccountInfo";
        let bad =
            |detail: &str| DocumentError::Element { element: ELEMENT, detail: detail.to_owned() };
        let mut info = AccountInfo {
            timestamp_millis: 0,
            smart_account: String::new(),
            virtual_account: String::new(),
            smart_account_id: 0,
            virtual_account_id: 0,
            smart_account_domain: String::new(),
        };
        let (mut text, mut signature) = (None, None);
        let outside = self.depth - 1;
        while self.depth > outside {
            let Event::Start(start) = self.event()? else {
                continue;
            };
            match local_name(&start).as_str() {
                "customerInfo" => {
                    let from = self.position()?;
                    let to = self.customer_info(&mut info)?;
                    let told = self.text.get(from..to).unwrap_or_default().to_owned();
                    once(&mut text, told, ELEMENT, "customerInfo")?;
                }
                "signature" => {
                    once(&mut signature, self.text_content()?, ELEMENT, "signature")?;
                }
                _ => self.skip()?,
            }
        }
        Ok(Signed {
            text: text.ok_or_else(|| bad("no customerInfo"))?,
            signature: signature
                .and_then(|text| from_base64(text.trim()))
                .ok_or_else(|| bad("no usable signature"))?,
            value: info,
        })
    }

    /// Reads the fields and returns where the closing tag starts.
    fn customer_info(&mut self, info: &mut AccountInfo) -> Result<usize, DocumentError> {
        loop {
            let before = self.position()?;
            match self.event()? {
                Event::Start(start) => {
                    let name = local_name(&start);
                    let text = self.text_content()?;
                    let number = || text.trim().parse().unwrap_or(0);
                    match name.as_str() {
                        "timestamp" => info.timestamp_millis = number(),
                        "smartAccount" => info.smart_account = text,
                        "virtualAccount" => info.virtual_account = text,
                        "smartAccountId" => info.smart_account_id = number(),
                        "virtualAccountId" => info.virtual_account_id = number(),
                        "smartAccountDomain" => info.smart_account_domain = text,
                        _ => {}
                    }
                }
                Event::End(_) => return Ok(before),
                _ => {}
            }
        }
    }

    fn position(&self) -> Result<usize, DocumentError> {
        usize::try_from(self.reader.buffer_position())
            .map_err(|_| DocumentError::Forbidden("more text than fits in memory"))
    }
}

fn local_name(start: &BytesStart<'_>) -> String {
    start.local_name().into_inner().to_owned()
}

/// The predefined entities and character references; nothing else is ever expanded.
pub(crate) fn resolve(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}
