//! Long answers in pieces: the first one comes with a session id, which asks for the next.

use std::collections::BTreeMap;

use rumline_protocol::{Random, random_hex};

/// The largest piece, in bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// Answers that are fetched in pieces at a time, of one login.
const FETCHED_MAX: usize = 2;
/// Answers that are kept in all, and how large each may be, in bytes.
const KEPT_MAX: usize = 8;
const ID_BYTES: usize = 12;

/// What is left of an answer.
struct Rest {
    login: String,
    text: String,
    /// Grows with each piece of any answer.
    used: u64,
}

/// The answers that are fetched in pieces.
#[derive(Default)]
pub(crate) struct Chunks {
    kept: BTreeMap<String, Rest>,
    used: u64,
}

/// A piece of an answer, and the id that the next one is asked for with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub sid: Option<String>,
}

impl Chunks {
    /// Whether this is an id that answers are given, and not just what some clients put there.
    pub(super) fn is_sid(text: &str) -> bool {
        text.len() == 2 * ID_BYTES && text.bytes().all(|letter| letter.is_ascii_hexdigit())
    }

    /// The first piece of an answer.
    pub(super) fn begin(
        &mut self,
        login: &str,
        text: String,
        random: &mut dyn Random,
    ) -> Result<Piece, (&'static str, &'static str)> {
        if text.len() <= CHUNK_BYTES {
            return Ok(Piece { text, sid: None });
        }
        if self.kept.values().filter(|rest| rest.login == login).count() >= FETCHED_MAX {
            self.drop_oldest(|rest| rest.login == login);
        }
        if self.kept.len() >= KEPT_MAX {
            self.drop_oldest(|_| true);
        }
        let sid = random_hex(random, ID_BYTES);
        self.kept.insert(sid.clone(), Rest { login: login.to_owned(), text, used: 0 });
        self.next(login, &sid)
    }

    /// Whoever does not fetch the rest must not keep others from theirs.
    fn drop_oldest(&mut self, of: impl Fn(&Rest) -> bool) {
        let oldest =
            self.kept.iter().filter(|(_, rest)| of(rest)).min_by_key(|(_, rest)| rest.used);
        if let Some(sid) = oldest.map(|(sid, _)| sid.clone()) {
            self.kept.remove(&sid);
        }
    }

    /// The piece behind the last one that was fetched with this id.
    pub(super) fn next(
        &mut self,
        login: &str,
        sid: &str,
    ) -> Result<Piece, (&'static str, &'static str)> {
        let rest = self.kept.get_mut(sid).filter(|rest| rest.login == login);
        let rest = rest.ok_or(("400", "Invalid session ID: the answer is not kept any more"))?;
        self.used += 1;
        rest.used = self.used;
        let mut end = rest.text.len().min(CHUNK_BYTES);
        while !rest.text.is_char_boundary(end) {
            end -= 1;
        }
        let text: String = rest.text.drain(..end).collect();
        let sid = if rest.text.is_empty() {
            self.kept.remove(sid);
            None
        } else {
            Some(sid.to_owned())
        };
        Ok(Piece { text, sid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that count up.
    struct Counted(u64);

    impl Random for Counted {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(0);
            bytes[..8].copy_from_slice(&self.0.to_be_bytes());
        }
    }

    #[test]
    fn pieces_are_the_whole_and_of_who_asked() {
        let (mut chunks, mut random) = (Chunks::default(), Counted(0));
        let short = chunks.begin("a", "x".repeat(CHUNK_BYTES), &mut random).unwrap();
        assert_eq!(short.sid, None);
        // Letters of three bytes are not cut in two.
        let whole = "\u{20ac}".repeat(CHUNK_BYTES);
        let mut piece = chunks.begin("a", whole.clone(), &mut random).unwrap();
        let mut fetched = String::new();
        let mut pieces = 0;
        loop {
            assert!(piece.text.len() <= CHUNK_BYTES && !piece.text.is_empty());
            fetched.push_str(&piece.text);
            pieces += 1;
            let Some(sid) = piece.sid else { break };
            assert!(Chunks::is_sid(&sid));
            assert_eq!(chunks.next("b", &sid).unwrap_err().0, "400");
            piece = chunks.next("a", &sid).unwrap();
        }
        assert!(fetched == whole && pieces == 4, "{pieces}");
        assert!(chunks.kept.is_empty());
    }

    #[test]
    fn whoever_fetches_no_rest_keeps_nobody_out() {
        let (mut chunks, mut random) = (Chunks::default(), Counted(0));
        let long = "x".repeat(CHUNK_BYTES + 1);
        let begin = |chunks: &mut Chunks, random: &mut Counted, login: &str| {
            chunks.begin(login, long.clone(), random).unwrap().sid.unwrap()
        };
        let of_b = begin(&mut chunks, &mut random, "b");
        let of_a: Vec<String> = (0..3).map(|_| begin(&mut chunks, &mut random, "a")).collect();
        assert_eq!(chunks.kept.len(), 3);
        assert!(chunks.next("a", &of_a[0]).is_err());
        assert_eq!(chunks.next("a", &of_a[2]).unwrap(), Piece { text: "x".to_owned(), sid: None });
        // Of two, the one that is being fetched stays.
        let longer = "x".repeat(2 * CHUNK_BYTES + 1);
        let one = chunks.begin("c", longer.clone(), &mut random).unwrap().sid.unwrap();
        let two = chunks.begin("c", longer.clone(), &mut random).unwrap().sid.unwrap();
        chunks.next("c", &one).unwrap();
        chunks.begin("c", longer, &mut random).unwrap();
        assert!(chunks.next("c", &two).is_err());
        assert!(chunks.next("c", &one).is_ok());
        for number in 0..KEPT_MAX {
            begin(&mut chunks, &mut random, &number.to_string());
        }
        assert_eq!(chunks.kept.len(), KEPT_MAX);
        assert!(chunks.next("b", &of_b).is_err());
        for text in ["sid", "eoc", "", "0123456789abcdef0123456g"] {
            assert!(!Chunks::is_sid(text), "{text}");
        }
    }
}
