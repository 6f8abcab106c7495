//! What may stand at one place of a command: a keyword or a value, and what is wrong with a value that is none.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No command goes so.
    Invalid,
    /// Several begin so.
    Ambiguous,
    /// More is needed.
    Incomplete,
    /// A number is out of its range.
    Range {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// A value is not of its kind; what is wrong with it.
    Value(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("% Invalid command"),
            Self::Ambiguous => f.write_str("% Ambiguous command"),
            Self::Incomplete => f.write_str("% Incomplete command"),
            Self::Range { min, max } => write!(f, "% Invalid number, range is ({min}:{max})"),
            Self::Value(what) => write!(f, "% {what}"),
        }
    }
}

/// The longest host name.
const HOST_BYTES_MAX: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Keyword(String),
    Value { kind: Kind, name: String },
}

/// The kinds of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number {
        min: i64,
        max: i64,
    },
    /// Any word.
    Word,
    /// Letters, digits, `-`, `_` and `.`, up to so many.
    Name {
        bytes_max: usize,
    },
    /// A name that begins with a letter or a digit: what prompts begin with.
    Label {
        bytes_max: usize,
    },
    /// An IPv4 or IPv6 address.
    Address,
    /// An address or a host name.
    Host,
    /// A time of the day, `HH:MM`.
    Time,
    /// The rest of the line.
    Line,
}

impl Token {
    /// Reads `<KIND:name>`, or a keyword.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) else {
            return Some(Self::Keyword(text.to_owned()));
        };
        let (kind, name) = inner.split_once(':')?;
        let kind = match kind {
            "WORD" => Kind::Word,
            "LINE" => Kind::Line,
            "ADDRESS" => Kind::Address,
            "HOST" => Kind::Host,
            "TIME" => Kind::Time,
            _ if kind.starts_with("NAME") => Kind::Name { bytes_max: kind[4..].parse().ok()? },
            _ if kind.starts_with("LABEL") => Kind::Label { bytes_max: kind[5..].parse().ok()? },
            range => {
                let (min, max) = range.rsplit_once('-')?;
                Kind::Number { min: min.parse().ok()?, max: max.parse().ok()? }
            }
        };
        Some(Self::Value { kind, name: name.to_owned() })
    }

    /// As `?` shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Keyword(word) => word.clone(),
            Self::Value { kind: Kind::Number { min, max }, .. } => format!("<{min}-{max}>"),
            Self::Value { kind, .. } => match kind {
                Kind::Address => "A.B.C.D|A:B::C:D",
                Kind::Host => "A.B.C.D|A:B::C:D|WORD",
                Kind::Time => "HH:MM",
                Kind::Line => "LINE",
                _ => "WORD",
            }
            .to_owned(),
        }
    }

    /// Whether an unfinished word may become this.
    pub(crate) fn may_become(&self, word: &str) -> bool {
        match self {
            Self::Keyword(keyword) => {
                keyword.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
            }
            Self::Value { kind: Kind::Number { .. }, .. } => {
                word.is_empty() || self.check(word).is_ok()
            }
            Self::Value { .. } => true,
        }
    }

    /// Whether a word is such a value.
    pub(crate) fn check(&self, word: &str) -> Result<(), Refusal> {
        let Self::Value { kind, .. } = self else { return Err(Refusal::Invalid) };
        let among = |allowed: &[u8]| {
            word.bytes().all(|byte| byte.is_ascii_alphanumeric() || allowed.contains(&byte))
        };
        match *kind {
            Kind::Word | Kind::Line => Ok(()),
            Kind::Number { min, max } => {
                let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Refusal::Invalid);
                }
                let fits = word.parse().is_ok_and(|number: i64| (min..=max).contains(&number));
                if fits && !word.starts_with('+') {
                    Ok(())
                } else {
                    Err(Refusal::Range { min, max })
                }
            }
            Kind::Label { .. } if !word.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
                Err(Refusal::Value("Invalid name, it begins with a letter or a digit"))
            }
            Kind::Name { bytes_max } | Kind::Label { bytes_max } if word.len() > bytes_max => {
                Err(Refusal::Value("Invalid name, it is too long"))
            }
            Kind::Name { .. } | Kind::Label { .. } if among(b"-_.") => Ok(()),
            Kind::Name { .. } | Kind::Label { .. } => {
                Err(Refusal::Value("Invalid name, it may hold letters, digits, '-', '_' and '.'"))
            }
            Kind::Address if word.parse::<IpAddr>().is_ok() => Ok(()),
            Kind::Address => Err(Refusal::Value("Invalid ip address")),
            Kind::Host => check_host(word, among(b"-_.")),
            Kind::Time => {
                let parts = word.split_once(':');
                let below = |part: &str, limit| {
                    part.len() == 2
                        && part.bytes().all(|b| b.is_ascii_digit())
                        && part.parse::<u8>().is_ok_and(|part| part < limit)
                };
                let fits = parts.is_some_and(|(hour, minute)| below(hour, 24) && below(minute, 60));
                if fits { Ok(()) } else { Err(Refusal::Value("Invalid time, it is HH:MM")) }
            }
        }
    }
}

/// What is made of digits and dots only, or holds a colon, is meant to be an address.
fn check_host(word: &str, is_name: bool) -> Result<(), Refusal> {
    let is_address = if word.contains(':') {
        word.parse::<Ipv6Addr>().is_ok()
    } else if word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        word.parse::<Ipv4Addr>().is_ok()
    } else {
        return if is_name && word.len() <= HOST_BYTES_MAX && !word.starts_with(['-', '.']) {
            Ok(())
        } else {
            Err(Refusal::Value("Invalid host name"))
        };
    };
    if is_address { Ok(()) } else { Err(Refusal::Value("Invalid ip address")) }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Token};

    fn check(kind: &str, word: &str) -> Result<(), String> {
        let token = Token::parse(&format!("<{kind}:x>")).unwrap();
        token.check(word).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_value_is_of_its_kind_or_it_is_said_what_it_should_be() {
        let range = Err("% Invalid number, range is (1:365)".to_owned());
        for fine in ["1", "40", "365", "007"] {
            assert_eq!(check("1-365", fine), Ok(()), "{fine}");
        }
        for bad in ["0", "366", "+40", "-1", "99999999999999999999999"] {
            assert_eq!(check("1-365", bad), range, "{bad}");
        }
        for bad in ["x", "", "-", "4o", "1.5"] {
            assert_eq!(check("1-365", bad), Err("% Invalid command".to_owned()), "{bad}");
        }
        assert_eq!(check("-12-12", "-12"), Ok(()));
        for fine in ["192.0.2.1", "2001:db8::1"] {
            assert_eq!(check("ADDRESS", fine), Ok(()), "{fine}");
            assert_eq!(check("HOST", fine), Ok(()), "{fine}");
        }
        for bad in ["10.0.0.300", "1.2.3", "2001::db8::1", "1.2.3.4.5"] {
            assert_eq!(check("ADDRESS", bad), Err("% Invalid ip address".to_owned()), "{bad}");
            assert_eq!(check("HOST", bad), Err("% Invalid ip address".to_owned()), "{bad}");
        }
        assert_eq!(check("ADDRESS", "bogus"), Err("% Invalid ip address".to_owned()));
        assert_eq!(check("HOST", "Cisco_SSM_OnPrem"), Ok(()));
        assert_eq!(check("HOST", &"a".repeat(255)), Ok(()));
        for bad in ["a b", "x/y", ".x", "-x", "u@h", &"a".repeat(256)] {
            assert_eq!(check("HOST", bad), Err("% Invalid host name".to_owned()), "{bad}");
        }
        assert_eq!(check("NAME4", "ab-1"), Ok(()));
        assert!(check("NAME4", "abcde").is_err() && check("NAME4", "a b").is_err());
        for fine in ["00:00", "23:59"] {
            assert_eq!(check("TIME", fine), Ok(()));
        }
        for bad in ["24:00", "0:00", "12:60", "1200", "12:3", "+1:00"] {
            assert!(check("TIME", bad).is_err(), "{bad}");
        }
        assert_eq!(Token::parse("<nonsense>"), None);
        assert_eq!(Token::parse("<1-x:n>"), None);
        assert_eq!(Token::parse("word").unwrap().check("word"), Err(Refusal::Invalid));
    }
}
