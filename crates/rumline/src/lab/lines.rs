//! What is typed on a switch, for each topology.

use rumline_protocol::{Civil, Timestamp};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Where a switch reports to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way<'a> {
    /// To CSSM itself.
    Smart(&'a str),
    /// To a collector.
    Collector(&'a str),
    /// Nowhere: a person carries files.
    Off,
}

impl Way<'_> {
    /// The lines that set it and keep it.
    pub(super) fn lines(self) -> String {
        let lines = match self {
            Self::Smart(url) => {
                format!("license smart transport smart\nlicense smart url smart {url}")
            }
            Self::Collector(url) => {
                format!("license smart transport cslu\nlicense smart url cslu {url}")
            }
            Self::Off => "license smart transport off".to_owned(),
        };
        format!("configure terminal\n{lines}\nend\ncopy running-config startup-config")
    }
}

/// Asks for trust.
pub(super) fn trust(token: &str) -> String {
    format!("license smart trust idtoken {token} all")
}

pub(super) const SYNC: &str = "license smart sync all";

/// Sets a switch's clock.
pub(super) fn set_clock(to: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = to.civil();
    let place = usize::try_from(month - 1).unwrap_or(0);
    let month = MONTHS.get(place).copied().unwrap_or("January");
    format!("clock set {hour:02}:{minute:02}:{second:02} {day} {month} {year}")
}

/// A URL whose path nothing serves.
pub(super) fn wrong_path(url: &str) -> String {
    url.replace("/licservice/", "/licence/").replace("/cslu/v1/pi", "/cslu/v1/switches")
}

/// The same URL at another address.
pub(super) fn elsewhere(url: &str, address: std::net::SocketAddr) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    format!("{scheme}://{address}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_set_and_kept() {
        let lines = Way::Smart("https://h/licservice/license").lines();
        assert_eq!(
            lines.lines().collect::<Vec<_>>(),
            [
                "configure terminal",
                "license smart transport smart",
                "license smart url smart https://h/licservice/license",
                "end",
                "copy running-config startup-config"
            ]
        );
        assert!(Way::Off.lines().contains("transport off"));
        assert!(Way::Collector("u").lines().contains("url cslu u"));
    }

    #[test]
    fn a_clock_is_set_in_the_words_of_nx_os() {
        assert_eq!(set_clock(Timestamp(1_700_000_000)), "clock set 22:13:20 14 November 2023");
    }

    #[test]
    fn urls_are_made_wrong_in_one_place() {
        let url = "https://127.0.0.1:1/cslu/v1/pi/XYZ";
        assert_eq!(wrong_path(url), "https://127.0.0.1:1/cslu/v1/switches/XYZ");
        assert_eq!(wrong_path("https://h/licservice/license"), "https://h/licence/license");
        let nothing = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(elsewhere(url, nothing), "https://127.0.0.1:9/cslu/v1/pi/XYZ");
    }
}
