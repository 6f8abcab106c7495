//! The Call Home envelope: a message of the smart transport, byte for byte, in XML of the shape that Call Home messages
//! have (G-08, PI-NET-021, CSSM-031). Cisco's own form for licensing is not public; this one is the project's.

mod reader;

use crate::identity::Udi;
use crate::text::{base64, xml_escape};
use crate::time::Timestamp;

pub use reader::CallHomeError;

/// What names the two forms. A later form would have another number.
const REQUEST_TYPE: &str = "urn:rumline:callhome:smart-licensing:request:1";
const ANSWER_TYPE: &str = "urn:rumline:callhome:smart-licensing:answer:1";
/// What every envelope of these is an event of.
const EVENT_TYPE: &str = "smart-licensing";
/// What stands around a message, at most, in bytes.
const AROUND_BYTES_MAX: usize = 4096;

/// A message of a product instance, and who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHomeRequest {
    /// Names the envelope; its answer repeats it. That of the message in it serves for both.
    pub message_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What kind of message it is, as [`crate::RequestBody::class`] names it.
    pub subtype: String,
    /// The device.
    pub sudi: Udi,
    /// The host name, unless it is hidden.
    pub hostname: Option<String>,
    /// Whom to write to about the device (`email-contact`).
    pub contact_email: Option<String>,
    /// The message.
    pub message: Vec<u8>,
}

/// What CSSM answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHomeAnswer {
    /// The envelope it answers.
    pub answers: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The answer of the receiver.
    pub message: Vec<u8>,
}

impl CallHomeRequest {
    /// How many bytes a message may have whose envelope is to have at most so many (PI-NET-026).
    #[must_use]
    pub fn room(envelope_bytes_max: usize) -> usize {
        envelope_bytes_max.saturating_sub(AROUND_BYTES_MAX) / 4 * 3
    }

    /// The envelope.
    #[must_use]
    pub fn write(&self) -> String {
        let mut system = String::new();
        push_told(&mut system, "ch:Name", self.hostname.as_deref());
        push_told(&mut system, "ch:ContactEmail", self.contact_email.as_deref());
        let content = format!(
            "<aml-block:Content>\n\
             <ch:CallHome xmlns:ch=\"http://www.cisco.com/2005/05/callhome\" version=\"1.0\">\n\
             <ch:Event>\n<ch:Type>{EVENT_TYPE}</ch:Type>\n<ch:SubType>{subtype}</ch:SubType>\n</ch:Event>\n\
             <ch:CustomerData>\n<ch:SystemInfo>\n{system}</ch:SystemInfo>\n</ch:CustomerData>\n\
             <ch:Device>\n<rme:Chassis xmlns:rme=\"http://www.cisco.com/rme/4.0\">\n\
             <rme:Model>{pid}</rme:Model>\n<rme:SerialNumber>{serial}</rme:SerialNumber>\n\
             </rme:Chassis>\n</ch:Device>\n</ch:CallHome>\n</aml-block:Content>\n",
            subtype = part(&self.subtype),
            pid = part(&self.sudi.pid),
            serial = part(&self.sudi.serial),
        );
        let id =
            format!("<aml-session:MessageId>{}</aml-session:MessageId>\n", part(&self.message_id));
        envelope(&id, REQUEST_TYPE, self.created_at, &content, &self.message)
    }

    /// Reads an envelope; what is in it is for another reader.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, CallHomeError> {
        let mut parts = reader::parts(bytes, REQUEST_TYPE)?;
        if parts.needed("ch:Type")? != EVENT_TYPE {
            return Err(CallHomeError::Wrong("ch:Type"));
        }
        let sudi =
            Udi { pid: parts.needed("rme:Model")?, serial: parts.needed("rme:SerialNumber")? };
        sudi.check().map_err(|_| CallHomeError::Wrong("rme:Chassis"))?;
        Ok(Self {
            message_id: parts.needed("aml-session:MessageId")?,
            created_at: parts.created_at()?,
            subtype: parts.needed("ch:SubType")?,
            sudi,
            hostname: parts.take("ch:Name"),
            contact_email: parts.take("ch:ContactEmail"),
            message: parts.message()?,
        })
    }
}

impl CallHomeAnswer {
    /// The envelope.
    #[must_use]
    pub fn write(&self) -> String {
        let id =
            format!("<aml-session:RelatesTo>{}</aml-session:RelatesTo>\n", part(&self.answers));
        envelope(&id, ANSWER_TYPE, self.created_at, "", &self.message)
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, CallHomeError> {
        let mut parts = reader::parts(bytes, ANSWER_TYPE)?;
        Ok(Self {
            answers: parts.needed("aml-session:RelatesTo")?,
            created_at: parts.created_at()?,
            message: parts.message()?,
        })
    }
}

fn envelope(id: &str, kind: &str, at: Timestamp, content: &str, message: &[u8]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soap-env:Envelope xmlns:soap-env=\"http://www.w3.org/2003/05/soap-envelope\">\n<soap-env:Header>\n\
         <aml-session:Session xmlns:aml-session=\"http://www.cisco.com/2004/01/aml-session\">\n{id}\
         </aml-session:Session>\n</soap-env:Header>\n<soap-env:Body>\n\
         <aml-block:Block xmlns:aml-block=\"http://www.cisco.com/2004/01/aml-block\">\n<aml-block:Header>\n\
         <aml-block:Type>{kind}</aml-block:Type>\n<aml-block:CreationDate>{at}</aml-block:CreationDate>\n\
         </aml-block:Header>\n{content}<aml-block:Attachments>\n<aml-block:Attachment type=\"inline\">\n\
         <aml-block:Data encoding=\"base64\">{message}</aml-block:Data>\n</aml-block:Attachment>\n\
         </aml-block:Attachments>\n</aml-block:Block>\n</soap-env:Body>\n</soap-env:Envelope>\n",
        message = base64(message),
    )
}

fn push_told(out: &mut String, element: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push_str(&format!("<{element}>{}</{element}>\n", part(value)));
    }
}

/// A text as it may stand in XML, of bounded length.
fn part(text: &str) -> String {
    let mut length = 0;
    let kept: String = text
        .chars()
        .map(|c| if reader::is_text(c) { c } else { ' ' })
        .take_while(|c| {
            length += c.len_utf8();
            length <= reader::PART_BYTES_MAX
        })
        .collect();
    xml_escape(kept.trim())
}
