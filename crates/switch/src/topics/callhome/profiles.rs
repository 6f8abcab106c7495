//! The destination profiles of Call Home: those that are always there, and those of the configuration (PI-CLI-030,
//! PI-NET-026). Licensing sends by the first that has a URL and takes XML.

use rumline_agent::DEFAULT_CALLHOME_URL;

use crate::config::ConfigTree;

use super::CALLHOME;

/// The profile of licensing where no line gives a URL.
const USUAL: &str = "xml";
/// Those that are always there: name, format, and the most bytes of a message.
const ALWAYS: [(&str, Format, usize); 4] = [
    ("full_txt", Format::FullText, 1_000_000),
    (USUAL, Format::Xml, 1_000_000),
    ("short_txt", Format::ShortText, 4_000),
    ("CiscoTAC-1", Format::Xml, 1_000_000),
];

/// What a profile's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    FullText,
    ShortText,
    Xml,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FullText => "full-txt",
            Self::ShortText => "short-txt",
            Self::Xml => "XML",
        }
    }

    fn named(name: &str) -> Self {
        match name {
            "full-txt" => Self::FullText,
            "short-txt" => Self::ShortText,
            _ => Self::Xml,
        }
    }
}

/// A destination profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile<'t> {
    pub name: &'t str,
    pub format: Format,
    /// The most bytes of a message.
    pub size_max: usize,
    /// Where no line says how, over HTTP.
    pub methods: Vec<&'t str>,
    pub emails: Vec<&'t str>,
    pub urls: Vec<&'t str>,
}

impl<'t> Profile<'t> {
    fn new(name: &'t str) -> Self {
        let known = ALWAYS.iter().find(|known| known.0 == name);
        let (format, size_max) = known.map_or((Format::Xml, 1_000_000), |known| (known.1, known.2));
        Self { name, format, size_max, methods: vec![], emails: vec![], urls: vec![] }
    }

    /// Where it sends to.
    pub(super) fn url(&self) -> &'t str {
        self.urls.first().copied().unwrap_or_default()
    }

    /// How it sends.
    pub(super) fn method(&self) -> String {
        if self.methods.is_empty() { "http".to_owned() } else { self.methods.join(",") }
    }

    /// Whether it sends by e-mail, and not over HTTP.
    fn is_by_mail_only(&self) -> bool {
        !self.methods.is_empty() && !self.methods.contains(&"http")
    }

    fn line(&mut self, rest: &[&'t str]) {
        match *rest {
            ["index", _, "email-addr", address] => self.emails.push(address),
            ["index", _, "http", url] => self.urls.push(url),
            ["message-size", bytes] => self.size_max = bytes.parse().unwrap_or(self.size_max),
            ["transport-method", method] => self.methods.push(method),
            ["format", format] => self.format = Format::named(format),
            _ => {}
        }
    }
}

/// All of them, those that are always there first, with what holds where no line says so (PI-NET-030).
pub(super) fn all(tree: &ConfigTree) -> Vec<Profile<'_>> {
    let mut all = given(tree);
    for profile in &mut all {
        if profile.name == USUAL && profile.urls.is_empty() {
            profile.urls.push(DEFAULT_CALLHOME_URL);
        }
    }
    all
}

/// All of them as the lines have them.
fn given(tree: &ConfigTree) -> Vec<Profile<'_>> {
    let mut found: Vec<Profile<'_>> = ALWAYS.iter().map(|(name, ..)| Profile::new(name)).collect();
    let section = tree.section(&[CALLHOME.head.to_owned()]);
    for line in section.into_iter().flat_map(|section| section.iter()) {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let ["destination-profile", name, rest @ ..] = words.as_slice() else { continue };
        match found.iter_mut().find(|profile| profile.name == *name) {
            Some(profile) => profile.line(rest),
            None => {
                let mut profile = Profile::new(name);
                profile.line(rest);
                found.push(profile);
            }
        }
    }
    found
}

/// That which licensing sends by.
pub(super) fn of_licensing(tree: &ConfigTree) -> Profile<'_> {
    let is_meant =
        |profile: &Profile<'_>| profile.format == Format::Xml && !profile.urls.is_empty();
    let meant = given(tree).into_iter().find(is_meant);
    let usual = || all(tree).into_iter().find(|profile| profile.name == USUAL);
    meant.or_else(usual).expect("the usual one is always there")
}

/// Where licensing sends to.
pub(crate) fn url(tree: &ConfigTree) -> &str {
    of_licensing(tree).url()
}

/// The most bytes of a message of licensing, in its envelope (PI-NET-026).
pub(crate) fn message_bytes_max(tree: &ConfigTree) -> usize {
    of_licensing(tree).size_max
}

/// The profile of licensing, if it sends by e-mail only.
pub(crate) fn by_mail_only(tree: &ConfigTree) -> Option<&str> {
    let profile = of_licensing(tree);
    profile.is_by_mail_only().then_some(profile.name)
}
