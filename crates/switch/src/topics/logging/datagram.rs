//! A system message as a syslog server gets it.

use rumline_protocol::{Civil, Timestamp};

use super::settings::Stamp;
use crate::topics::clock::Zone;

/// The longest datagram. No message is as long; what is longer is cut (PI-MSG-003).
const BYTES_MAX: usize = 8 << 10;
/// The longest host name, application name and message id of RFC 5424.
const HOST_BYTES_MAX: usize = 255;
const APP_BYTES_MAX: usize = 48;
const ID_BYTES_MAX: usize = 32;

/// `%FACILITY-SEVERITY-MNEMONIC: text`, in its parts (PI-MSG-001).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'t> {
    pub facility: &'t str,
    pub severity: u8,
    pub mnemonic: &'t str,
    /// All of it.
    pub text: &'t str,
}

impl<'t> Message<'t> {
    /// What is none of these is a notification.
    pub(super) fn of(text: &'t str) -> Self {
        let parts = || {
            let (head, _) = text.strip_prefix('%')?.split_once(':')?;
            let (head, mnemonic) = head.rsplit_once('-')?;
            let (facility, severity) = head.rsplit_once('-')?;
            let severity = severity.parse().ok().filter(|severity| *severity <= 7)?;
            Some(Self { facility, severity, mnemonic, text })
        };
        parts().unwrap_or(Self { facility: "SYSTEM", severity: 5, mnemonic: "MSG", text })
    }
}

/// What is around a message.
pub(super) struct Envelope<'e> {
    pub at: Timestamp,
    pub zone: &'e Zone,
    pub stamp: Stamp,
    /// Who sends it.
    pub origin: &'e str,
    /// The number of the facility at the server.
    pub facility_number: u8,
}

impl Envelope<'_> {
    fn priority(&self, message: Message<'_>) -> u16 {
        u16::from(self.facility_number) * 8 + u16::from(message.severity)
    }

    /// As NX-OS writes it, after RFC 3164: `<189>leaf: 2024 Mar  4 10:00:00 CET: %VSHD-5-…`.
    pub(super) fn plain(&self, message: Message<'_>) -> Vec<u8> {
        let datagram = format!(
            "<{}>{}: {}{} {}: {}",
            self.priority(message),
            self.origin,
            self.zone.log_time(self.at),
            self.stamp.fraction(),
            self.zone.name(self.at),
            message.text
        );
        one_line(&datagram)
    }

    /// After RFC 5424: `<189>1 2024-03-04T10:00:00+01:00 leaf VSHD - VSHD_SYSLOG_CONFIG_I - %VSHD-5-…`.
    pub(super) fn strict(&self, message: Message<'_>) -> Vec<u8> {
        let (offset, civil) = self.zone.offset_and_civil(self.at);
        let Civil { year, month, day, hour, minute, second, .. } = civil;
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 3_600, offset.abs() / 60 % 60);
        let zone =
            if offset == 0 { "Z".to_owned() } else { format!("{sign}{hours:02}:{minutes:02}") };
        let datagram = format!(
            "<{}>1 {year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}{zone} {} {} - {} - {}",
            self.priority(message),
            self.stamp.fraction(),
            named(self.origin, HOST_BYTES_MAX),
            named(message.facility, APP_BYTES_MAX),
            named(message.mnemonic, ID_BYTES_MAX),
            message.text
        );
        one_line(&datagram)
    }
}

/// A name as RFC 5424 has it: printable letters without blanks, and `-` for none.
fn named(text: &str, bytes_max: usize) -> String {
    let name: String = text.chars().filter(char::is_ascii_graphic).take(bytes_max).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// Nobody makes a second message of a part of one.
fn one_line(text: &str) -> Vec<u8> {
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= BYTES_MAX;
    let letters = text.char_indices().take_while(fits).map(|(_, c)| c);
    letters.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigTree;

    const TEXT: &str =
        "%LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new licensing trust code.";

    fn both(config: &str, stamp: Stamp, text: &str) -> [String; 2] {
        let zone = Zone::of(&ConfigTree::parse(config));
        let at = Timestamp(1_709_542_800);
        let envelope = Envelope { at, zone: &zone, stamp, origin: "leaf", facility_number: 23 };
        let message = Message::of(text);
        [envelope.plain(message), envelope.strict(message)].map(|b| String::from_utf8(b).unwrap())
    }

    #[test]
    fn a_message_is_written_as_nx_os_does_and_after_rfc_5424() {
        // PI-MSG-001, 005
        let [plain, strict] = both("", Stamp::Seconds, TEXT);
        assert_eq!(plain, format!("<190>leaf: 2024 Mar  4 09:00:00 UTC: {TEXT}"));
        let id = "LOG_SMART_LIC_TRUST_CODE_INSTALL_";
        let head = format!("<190>1 2024-03-04T09:00:00Z leaf LICMGR - {} -", &id[..32]);
        assert_eq!(strict, format!("{head} {TEXT}"));
        let [plain, strict] = both("clock timezone NST -3 30\n", Stamp::Milliseconds, TEXT);
        assert!(plain.starts_with("<190>leaf: 2024 Mar  4 05:30:00.000 NST: %"), "{plain}");
        assert!(strict.starts_with("<190>1 2024-03-04T05:30:00.000-03:30 leaf "), "{strict}");
    }

    #[test]
    fn no_text_makes_a_second_message_or_one_without_end() {
        let text = format!("%ASCII-CFG-2-CONF_CONTROL: a\n<0>b\r{}", "ä".repeat(10_000));
        let message = Message::of(&text);
        let parts = (message.facility, message.severity, message.mnemonic);
        assert_eq!(parts, ("ASCII-CFG", 2, "CONF_CONTROL"));
        for datagram in both("", Stamp::Seconds, &text) {
            assert!(datagram.contains("CONF_CONTROL: a <0>b "), "{datagram}");
            assert!(datagram.len() <= BYTES_MAX);
        }
        assert_eq!(Message::of("%X-9-Y: z").severity, 5);
        assert_eq!(Message::of("").facility, "SYSTEM");
    }
}
