//! Reading Call Home envelopes: each part once and in its place, within bounds.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::document::resolve;
use crate::text::from_base64;
use crate::time::{Civil, Timestamp};

/// The longest text of a part other than the message, in bytes.
pub(super) const PART_BYTES_MAX: usize = 256;
/// The largest envelope that is read, in bytes: one with the largest message that a receiver takes.
const BYTES_MAX: usize = 48 << 20;
/// The deepest nesting.
const DEPTH_MAX: usize = 10;
/// The most elements. An envelope has a few more than twenty.
const ELEMENTS_MAX: usize = 200;
/// The longest name of an element, in bytes.
const NAME_BYTES_MAX: usize = 64;
const DATA: &str = "aml-block:Data";

/// The parts that say something: their names, and where they stand.
const PARTS: [(&str, &str); 11] = [
    ("aml-session:MessageId", "Envelope/Header/Session/MessageId"),
    ("aml-session:RelatesTo", "Envelope/Header/Session/RelatesTo"),
    ("aml-block:Type", "Envelope/Body/Block/Header/Type"),
    ("aml-block:CreationDate", "Envelope/Body/Block/Header/CreationDate"),
    ("ch:Type", "Envelope/Body/Block/Content/CallHome/Event/Type"),
    ("ch:SubType", "Envelope/Body/Block/Content/CallHome/Event/SubType"),
    ("ch:Name", "Envelope/Body/Block/Content/CallHome/CustomerData/SystemInfo/Name"),
    (
        "ch:ContactEmail",
        "Envelope/Body/Block/Content/CallHome/CustomerData/SystemInfo/ContactEmail",
    ),
    ("rme:Model", "Envelope/Body/Block/Content/CallHome/Device/Chassis/Model"),
    ("rme:SerialNumber", "Envelope/Body/Block/Content/CallHome/Device/Chassis/SerialNumber"),
    (DATA, "Envelope/Body/Block/Attachments/Attachment/Data"),
];

/// Why an envelope could not be read. What stands in it is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallHomeError {
    /// Too large.
    #[error("the Call Home envelope has {0} bytes; {BYTES_MAX} is the most that is read")]
    TooLarge(usize),
    /// Not UTF-8, or not XML from its first character on.
    #[error("no Call Home envelope: it is no XML text")]
    NotXml,
    /// Not well-formed.
    #[error("the Call Home envelope is damaged near byte {0}, or was cut off")]
    Damaged(u64),
    /// What no envelope needs.
    #[error("the Call Home envelope holds {0}, which is not accepted")]
    Forbidden(&'static str),
    /// Of another form.
    #[error("the Call Home envelope is of another type than is read here")]
    OtherType,
    /// A part is not there.
    #[error("the Call Home envelope lacks {0}")]
    Missing(&'static str),
    /// A part stands twice.
    #[error("the Call Home envelope holds {0} twice")]
    Doubled(&'static str),
    /// A part says what it cannot.
    #[error("{0} of the Call Home envelope cannot be read")]
    Wrong(&'static str),
}

/// What an envelope says.
pub(super) struct Parts(BTreeMap<&'static str, String>);

impl Parts {
    pub(super) fn take(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn needed(&mut self, name: &'static str) -> Result<String, CallHomeError> {
        self.take(name).filter(|text| !text.is_empty()).ok_or(CallHomeError::Missing(name))
    }

    pub(super) fn created_at(&mut self) -> Result<Timestamp, CallHomeError> {
        const NAME: &str = "aml-block:CreationDate";
        instant(&self.needed(NAME)?).ok_or(CallHomeError::Wrong(NAME))
    }

    pub(super) fn message(&mut self) -> Result<Vec<u8>, CallHomeError> {
        from_base64(&self.needed(DATA)?).ok_or(CallHomeError::Wrong(DATA))
    }
}

/// The parts of an envelope of a type.
pub(super) fn parts(bytes: &[u8], kind: &str) -> Result<Parts, CallHomeError> {
    if bytes.len() > BYTES_MAX {
        return Err(CallHomeError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| CallHomeError::NotXml)?;
    if !text.starts_with('<') {
        return Err(CallHomeError::NotXml);
    }
    let mut walk = Walk { reader: Reader::from_str(text), path: Vec::new(), elements: 0 };
    let mut found = walk.read()?;
    if found.needed("aml-block:Type")? == kind { Ok(found) } else { Err(CallHomeError::OtherType) }
}

/// A way through an envelope.
struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    path: Vec<String>,
    elements: usize,
}

impl Walk<'_> {
    fn read(&mut self) -> Result<Parts, CallHomeError> {
        let mut found = BTreeMap::new();
        // The part that is being read.
        let mut open: Option<(&'static str, String)> = None;
        let mut is_over = false;
        loop {
            let event = self
                .reader
                .read_event()
                .map_err(|_| CallHomeError::Damaged(self.reader.error_position()))?;
            match event {
                Event::Start(_) | Event::Empty(_) if is_over => {
                    return Err(CallHomeError::Forbidden("a second root"));
                }
                Event::Start(_) | Event::Empty(_) if open.is_some() => {
                    return Err(CallHomeError::Forbidden("an element inside text"));
                }
                Event::Start(start) => open = self.enter(&start)?,
                Event::Empty(start) => {
                    let part = self.enter(&start)?;
                    self.path.pop();
                    keep(&mut found, part)?;
                }
                Event::End(_) => {
                    keep(&mut found, open.take())?;
                    self.path.pop();
                    is_over = self.path.is_empty();
                }
                Event::Text(text) => self.text(&mut open, &text)?,
                Event::CData(text) => self.text(&mut open, &text)?,
                Event::GeneralRef(name) => {
                    let c = resolve(&name).filter(|c| is_text(*c));
                    let c = c.ok_or(CallHomeError::Forbidden("an entity"))?;
                    self.text(&mut open, c.encode_utf8(&mut [0; 4]))?;
                }
                Event::DocType(_) => return Err(CallHomeError::Forbidden("a DOCTYPE")),
                Event::PI(_) => return Err(CallHomeError::Forbidden("an instruction")),
                Event::Decl(_) | Event::Comment(_) => {}
                Event::Eof if is_over => return Ok(Parts(found)),
                Event::Eof => return Err(CallHomeError::Damaged(self.reader.buffer_position())),
            }
        }
    }

    /// Goes into an element; which part it is, if it is one.
    fn enter(
        &mut self,
        start: &BytesStart<'_>,
    ) -> Result<Option<(&'static str, String)>, CallHomeError> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(CallHomeError::Forbidden("too many elements"));
        }
        if self.path.len() == DEPTH_MAX {
            return Err(CallHomeError::Forbidden("elements nested too deep"));
        }
        let name = start.local_name().into_inner();
        if name.len() > NAME_BYTES_MAX {
            return Err(CallHomeError::Forbidden("an element with a name that is too long"));
        }
        self.path.push(name.to_owned());
        let path = self.path.join("/");
        let Some((name, _)) = PARTS.iter().find(|(_, place)| *place == path) else {
            return Ok(None);
        };
        if *name == DATA {
            let coding = start.try_get_attribute("encoding");
            let coding = coding.map_err(|_| CallHomeError::Wrong(DATA))?;
            if coding.is_none_or(|coding| coding.value.as_ref() != "base64") {
                return Err(CallHomeError::Forbidden("an attachment that is not base64"));
            }
        }
        Ok(Some((name, String::new())))
    }

    fn text(
        &self,
        open: &mut Option<(&'static str, String)>,
        more: &str,
    ) -> Result<(), CallHomeError> {
        match open {
            Some((name, text)) => {
                text.push_str(more);
                let is_long = *name != DATA && text.len() > PART_BYTES_MAX;
                if is_long { Err(CallHomeError::Wrong(name)) } else { Ok(()) }
            }
            // In what is no part may stand what will; outside of all is nothing.
            None if self.path.is_empty() && !more.trim().is_empty() => {
                Err(CallHomeError::Forbidden("text beside it"))
            }
            None => Ok(()),
        }
    }
}

fn keep(
    found: &mut BTreeMap<&'static str, String>,
    part: Option<(&'static str, String)>,
) -> Result<(), CallHomeError> {
    let Some((name, text)) = part else { return Ok(()) };
    let text = if name == DATA { text } else { text.trim().to_owned() };
    match found.insert(name, text) {
        Some(_) => Err(CallHomeError::Doubled(name)),
        None => Ok(()),
    }
}

/// Whether a character may stand in XML, and in a line.
pub(super) fn is_text(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// `2026-11-24T21:07:27Z`.
fn instant(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let found = Timestamp::from_civil(Civil {
        year: number(0, 4)?,
        month: number(5, 7)?,
        day: number(8, 10)?,
        hour: number(11, 13)?,
        minute: number(14, 16)?,
        second: number(17, 19)?,
        weekday: 0,
    })?;
    (found.to_string() == text).then_some(found)
}
