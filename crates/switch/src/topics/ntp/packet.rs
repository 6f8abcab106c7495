//! The packets of SNTP (RFC 4330, RFC 5905): what is asked, and what an answer says.

/// The bytes of a packet without extensions.
pub(super) const PACKET_BYTES: usize = 48;
/// Seconds from 1900 to 1970.
const TO_1970_SECONDS: i64 = 2_208_988_800;
/// An answer that is surer of its time than this is not.
const DISTANCE_MICROS_MAX: i64 = 1_500_000;

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub stratum: u8,
    /// How far its own time may be off.
    pub distance_micros: i64,
    /// When the question came and the answer left, by its clock.
    pub received_micros: i64,
    pub sent_micros: i64,
}

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("its answers are none of a time server")]
    NoAnswer,
    /// A kiss of death: `RATE`, `DENY`, `RSTR` and others.
    #[error("it says {}", kiss(*.0))]
    Kiss([u8; 4]),
    #[error("its own clock is not synchronized")]
    Alarm,
    #[error("its stratum is {0}")]
    Stratum(u8),
    #[error("it is not sure of its time")]
    Distance,
    #[error("its times contradict each other")]
    Times,
}

fn kiss(code: [u8; 4]) -> String {
    code.iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect()
}

/// A question with a number that only its answer can have.
pub(super) fn question(version: u8, nonce: u64) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[0] = (version & 7) << 3 | 3;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// Whether a packet is the answer to a question: of a server, with the number of the question.
pub(super) fn is_answer(question: &[u8], packet: &[u8]) -> bool {
    packet.len() >= PACKET_BYTES
        && packet[0] & 7 == 4
        && question.get(40..PACKET_BYTES) == packet.get(24..32)
}

/// What an answer says.
pub(super) fn read(packet: &[u8]) -> Result<Answer, Unfit> {
    if packet.len() < PACKET_BYTES {
        return Err(Unfit::NoAnswer);
    }
    let word = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&packet[at..at + 4]);
        u32::from_be_bytes(bytes)
    };
    let stratum = packet[1];
    if stratum == 0 {
        return Err(Unfit::Kiss(word(12).to_be_bytes()));
    }
    if packet[0] >> 6 == 3 {
        return Err(Unfit::Alarm);
    }
    if stratum > 15 {
        return Err(Unfit::Stratum(stratum));
    }
    let short = |at| (i64::from(word(at)) * 1_000_000) >> 16;
    let distance_micros = short(4) / 2 + short(8);
    if distance_micros > DISTANCE_MICROS_MAX {
        return Err(Unfit::Distance);
    }
    let time = |at| micros(word(at), word(at + 4)).ok_or(Unfit::Times);
    let (received_micros, sent_micros) = (time(32)?, time(40)?);
    if sent_micros < received_micros {
        return Err(Unfit::Times);
    }
    Ok(Answer { stratum, distance_micros, received_micros, sent_micros })
}

/// Microseconds since 1970 of a time of NTP, which begins anew in 2036; zero is none.
fn micros(seconds: u32, fraction: u32) -> Option<i64> {
    if seconds == 0 && fraction == 0 {
        return None;
    }
    let era = if seconds >> 31 == 1 { 0 } else { 1_i64 << 32 };
    let since_1970 = i64::from(seconds) + era - TO_1970_SECONDS;
    Some(since_1970 * 1_000_000 + ((i64::from(fraction) * 1_000_000) >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> [u8; PACKET_BYTES] {
        let mut packet = [0; PACKET_BYTES];
        packet[0] = 4 << 3 | 4;
        packet[1] = 2;
        packet[24..32].copy_from_slice(&7_u64.to_be_bytes());
        let seconds = u32::try_from(1_709_542_800 + TO_1970_SECONDS).unwrap();
        packet[32..36].copy_from_slice(&seconds.to_be_bytes());
        packet[40..44].copy_from_slice(&seconds.to_be_bytes());
        packet[44] = 0x80;
        packet
    }

    fn changed(change: impl Fn(&mut [u8; PACKET_BYTES])) -> Result<Answer, Unfit> {
        let mut packet = answer();
        change(&mut packet);
        read(&packet)
    }

    #[test]
    fn an_answer_is_read() {
        let read = read(&answer()).unwrap();
        assert_eq!(read.received_micros, 1_709_542_800_000_000);
        assert_eq!(read.sent_micros, 1_709_542_800_500_000);
        assert_eq!(read.stratum, 2);
        // The time of NTP begins anew in 2036.
        assert_eq!(micros(1, 0), Some(2_085_978_497_000_000));
    }

    #[test]
    fn only_the_answer_to_a_question_is_one() {
        let question = question(4, 7);
        assert_eq!(question[0], 0b00_100_011);
        assert!(is_answer(&question, &answer()));
        let mut other = answer();
        other[31] = 8;
        assert!(!is_answer(&question, &other));
        let mut client = answer();
        client[0] = 4 << 3 | 3;
        assert!(!is_answer(&question, &client));
        assert!(!is_answer(&question, &answer()[..47]) && !is_answer(&question, b"junk"));
    }

    #[test]
    fn an_answer_that_cannot_be_is_not_used() {
        assert_eq!(changed(|p| p[0] |= 0xc0), Err(Unfit::Alarm));
        assert_eq!(changed(|p| p[1] = 16), Err(Unfit::Stratum(16)));
        assert_eq!(changed(|p| p[9] = 2), Err(Unfit::Distance));
        assert_eq!(changed(|p| p[40..48].fill(0)), Err(Unfit::Times));
        assert_eq!(changed(|p| p[32] = 0xff), Err(Unfit::Times));
        let kissed = changed(|p| {
            p[1] = 0;
            p[12..16].copy_from_slice(b"RATE");
        });
        assert_eq!(kissed, Err(Unfit::Kiss(*b"RATE")));
        assert_eq!(kissed.unwrap_err().to_string(), "it says RATE");
        assert_eq!(read(b"junk"), Err(Unfit::NoAnswer));
    }
}
