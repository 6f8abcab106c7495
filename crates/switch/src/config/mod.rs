//! The configuration as a tree of lines.
//!
//! Lines that mean something to the switch and lines that do not lie in the same tree, in order. What the
//! switch does with its configuration is derived from the lines, so a file written by a real switch loads and
//! comes out as it went in.

mod lines;
mod modes;
mod names;
mod place;
mod reader;
mod setting;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

pub(crate) use lines::{Key, numbered};
use rumline_catalogue::Catalogue;

pub use lines::{Line, Lines};
pub(crate) use names::{interface_name, interface_names, vlan_ids, vlan_list};
pub(crate) use place::{Grammar, Place};
pub(crate) use reader::{Reader, Refusals, Source, split_no};
pub(crate) use setting::{Given, Put, Setting, Settings, Software};

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct ConfigTree {
    /// The lines of global configuration.
    pub lines: Lines,
    /// While a file is read its order is kept; by hand, a line goes where its kind stands.
    pub(crate) keeps_order: bool,
    /// What was changed and nobody asked for yet.
    changed: Vec<Changed>,
}

impl PartialEq for ConfigTree {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for ConfigTree {}

/// A line that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The line above it; empty in global configuration.
    pub parent: String,
    pub line: String,
    pub is_there: bool,
}

/// Where lines of these kinds stand among each other when they are added by hand; others come after.
const ORDER: &[&str] = &[
    "version",
    "switchname",
    "hostname",
    "policy-map type network-qos",
    "vdc",
    "install",
    "feature-set",
    "feature",
    "nv overlay evpn",
    "no feature",
    "clock",
    "logging level",
    "no password",
    "username",
    "banner",
    "no ip domain-lookup",
    "ip domain-lookup",
    "ip domain-name",
    "ip name-server",
    "ip host",
    "license",
    "callhome",
    "snmp-server",
    "ntp",
    "vrf context",
];

/// The place of a line's kind in the order.
fn rank(text: &str) -> usize {
    static HEADS: OnceLock<BTreeMap<&'static str, Vec<(usize, &'static str)>>> = OnceLock::new();
    let heads = HEADS.get_or_init(|| {
        let mut heads = BTreeMap::<_, Vec<_>>::new();
        for (place, head) in ORDER.iter().enumerate() {
            heads.entry(first_word(head)).or_default().push((place, *head));
        }
        heads
    });
    let fitting = heads.get(first_word(text)).into_iter().flatten();
    let mut fitting = fitting.filter(|(_, head)| starts_with_words(text, head));
    fitting.next().map_or(ORDER.len(), |(place, _)| *place)
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\n']).next().unwrap_or(text)
}

/// Whether `text` begins with the words of `head`.
#[must_use]
pub(crate) fn starts_with_words(text: &str, head: &str) -> bool {
    text.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n']))
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

impl ConfigTree {
    /// The lines of a submode, by the texts of the lines that lead there.
    #[must_use]
    pub fn section(&self, path: &[String]) -> Option<&Lines> {
        path.iter()
            .try_fold(&self.lines, |lines, text| Some(&lines[lines.place_of(text)?].children))
    }

    /// The lines of a submode, made if they are not there.
    fn section_mut(&mut self, path: &[String]) -> &mut Lines {
        let Self { lines, keeps_order, changed } = self;
        let mut lines = lines;
        for (depth, text) in path.iter().enumerate() {
            let place = match lines.place_of(text) {
                Some(place) => place,
                None => {
                    let parent = depth.checked_sub(1).map_or("", |above| &path[above]);
                    changed.push(Changed::came(parent, text));
                    insert(lines, text, depth == 0 && !*keeps_order)
                }
            };
            lines = lines.children_mut(place);
        }
        lines
    }

    /// Makes a submode, if it is not there.
    pub(crate) fn open_section(&mut self, path: &[String]) {
        self.section_mut(path);
    }

    /// Takes away all lines of a submode, if it is there.
    pub(crate) fn clear_section(&mut self, path: &[String]) {
        if self.section(path).is_some() {
            self.take_where(path, |_| true);
        }
    }

    /// Sets a line; one with the same first `key_words` words is replaced where it stands.
    pub fn set(&mut self, path: &[String], text: &str, key_words: usize) {
        let negation = format!("no {text}");
        if text.split_whitespace().nth(key_words.saturating_sub(1)).is_none() || key_words == 0 {
            let is_same = |line: &str| line == text || line == negation;
            return self.set_where(path, text, Key::Whole, is_same);
        }
        let key = first_words(text, key_words);
        let is_same = |line: &str| starts_with_words(line, &key) || line == negation;
        self.set_where(path, text, Key::Words(key_words), is_same);
    }

    /// Sets a line in the place of the first that is the same setting; there is no other one then. Lines that are the same
    /// have the same key.
    pub(crate) fn set_where(
        &mut self,
        path: &[String],
        text: &str,
        key: Key,
        is_same: impl Fn(&str) -> bool,
    ) {
        let top = path.is_empty() && !self.keeps_order;
        let lines = self.section_mut(path);
        if lines.is_only(key, text) {
            return;
        }
        let first = if lines.may_have(key, text) {
            lines.iter().position(|line| is_same(&line.text))
        } else {
            None
        };
        let Some(first) = first else {
            insert(lines, text, top);
            self.changed.push(Changed::came(parent_of(path), text));
            return;
        };
        let old = lines[first].text.clone();
        lines.set_text(first, text);
        let mut place = 0;
        let others = lines.retain(|line| {
            place += 1;
            place <= first + 1 || !is_same(&line.text)
        });
        if old != text {
            self.changed.push(Changed::went(parent_of(path), &old));
            self.changed.push(Changed::came(parent_of(path), text));
        }
        self.note_gone(path, &others);
    }

    /// Takes away the lines that are meant; says whether there were any.
    pub(crate) fn take_where(&mut self, path: &[String], is_meant: impl Fn(&str) -> bool) -> bool {
        let gone = self.section_mut(path).retain(|line| !is_meant(&line.text));
        self.note_gone(path, &gone);
        !gone.is_empty()
    }

    /// Adds a line unless it is there; a `no` of it goes.
    pub fn add(&mut self, path: &[String], text: &str) {
        self.set(path, text, 0);
    }

    /// Removes the lines that begin with `text` up to `key_words` words; says whether there were any.
    pub fn remove(&mut self, path: &[String], text: &str, key_words: usize) -> bool {
        let key = first_words(text, key_words);
        self.take_where(path, |line| starts_with_words(line, &key))
    }

    /// Sets a toggle: it and its `no` take each other's place.
    pub(crate) fn toggle(&mut self, path: &[String], text: &str, negated: bool) {
        let no = format!("no {text}");
        let line = if negated { no.as_str() } else { text };
        self.set_where(path, line, Key::Whole, |known| known == text || known == no);
    }

    /// Adds a line that stands beside others of its kind; one of an access list gets a number.
    pub(crate) fn add_entry(&mut self, path: &[String], text: &str) {
        if !path.last().is_some_and(|section| is_access_list(section)) {
            let Some((list, entry)) = prefix_entry(text).filter(|_| path.is_empty()) else {
                return self.add(path, text);
            };
            let own = self.prefix_entries(list);
            if own.iter().any(|(_, known)| *known == entry) {
                return;
            }
            let last = own.iter().map(|(number, _)| *number).max().unwrap_or(0);
            let text = format!("{list} seq {} {entry}", (last - last % 5).saturating_add(5));
            return self.add(path, &text);
        }
        let text = &written_out(text);
        let (number, entry) = numbered(text);
        if !["permit", "deny", "remark"].iter().any(|word| starts_with_words(entry, word)) {
            return self.add(path, text);
        }
        let lines = self.section_mut(path);
        let same = |line: &Line| numbered(&line.text).1 == entry;
        if number.is_none() && lines.may_have(Key::Entry, entry) && lines.iter().any(same) {
            return;
        }
        // They stand by their numbers.
        let last = lines.iter().rev().find_map(|line| numbered(&line.text).0).unwrap_or(0);
        let is_given = number.is_some();
        let number = number.unwrap_or_else(|| (last - last % 10).saturating_add(10));
        let mut gone = Vec::new();
        let text = format!("{number} {entry}");
        if is_given && lines.may_have(Key::Number, &text) {
            gone = lines.retain(|line| numbered(&line.text).0 != Some(number));
        }
        let is_before = |line: &Line| numbered(&line.text).0.is_some_and(|known| known < number);
        let place = lines.iter().rposition(is_before).map_or_else(
            || lines.iter().take_while(|line| numbered(&line.text).0.is_none()).count(),
            |last| last + 1,
        );
        lines.insert(place, Line::of(&text));
        self.note_gone(path, &gone);
        self.changed.push(Changed::came(parent_of(path), &text));
    }

    /// The entries of a prefix list with their numbers.
    fn prefix_entries(&self, list: &str) -> Vec<(u32, &str)> {
        let numbered = |line: &'_ Line| -> Option<(u32, usize)> {
            let rest = line.text.strip_prefix(list)?.strip_prefix(" seq ")?;
            let (number, entry) = rest.split_once(' ')?;
            Some((number.parse().ok()?, line.text.len() - entry.len()))
        };
        let entries = self.lines.iter().filter_map(|line| {
            let (number, from) = numbered(line)?;
            Some((number, &line.text[from..]))
        });
        entries.collect()
    }

    /// Takes away the line that is named, or what begins with the words.
    pub(crate) fn take_away(&mut self, path: &[String], text: &str) {
        if path.is_empty()
            && let Some((list, entry)) = prefix_entry(text)
        {
            self.take_where(path, |line| {
                line.strip_prefix(list).is_some_and(|rest| {
                    rest.starts_with(" seq ") && rest.ends_with(&format!(" {entry}"))
                })
            });
            return;
        }
        // A line of their own is all that is meant; VLANs without one are in a list.
        if path.is_empty()
            && self.lines.place_of(text).is_none()
            && let Some(gone) = text.strip_prefix("vlan ").and_then(vlan_ids)
        {
            return self.take_vlans(&gone);
        }
        self.take_named(path, text, true);
    }

    /// Takes VLANs away: their sections, and their numbers out of lists of them.
    fn take_vlans(&mut self, gone: &[u16]) {
        let mut place = 0;
        while place < self.lines.len() {
            let text = self.lines[place].text.clone();
            let ids = text.strip_prefix("vlan ").and_then(vlan_ids).unwrap_or_default();
            let left: Vec<u16> = ids.iter().copied().filter(|id| !gone.contains(id)).collect();
            if left.len() == ids.len() {
                place += 1;
            } else if left.is_empty() {
                self.take_where(&[], |line| line == text);
            } else {
                let less = format!("vlan {}", vlan_list(&left));
                self.lines.set_text(place, &less);
                self.changed.push(Changed::went("", &text));
                self.changed.push(Changed::came("", &less));
                place += 1;
            }
        }
    }

    /// The same; says whether there was any. Only if it may, what is longer than what was named is meant too.
    pub(crate) fn take_named(&mut self, path: &[String], text: &str, may_be_longer: bool) -> bool {
        let in_list = path.last().is_some_and(|section| is_access_list(section));
        let is_it = |line: &str| {
            line == text || in_list && numbered(line).1 == text || number_is(line, text)
        };
        self.take_where(path, is_it)
            || may_be_longer && self.take_where(path, |line| starts_with_words(line, text))
    }

    /// Whether a feature is on: by its line, or by the entries of access lists that are for it alone.
    pub(crate) fn has_feature(&self, name: &str) -> bool {
        self.lines.place_of(&format!("feature {name}")).is_some()
            || self.features_of_entries().any(|needed| needed == name)
    }

    /// The features that the entries of access lists are for.
    pub(crate) fn features_of_entries(&self) -> impl Iterator<Item = &'static str> + '_ {
        let lists = self.lines.iter().filter(|line| is_access_list(&line.text));
        let entries = lists.flat_map(|list| &list.children);
        entries.filter_map(|entry| Catalogue::nexus().feature_needed(&entry.text))
    }

    /// What came and went since this was asked for the last time.
    pub(crate) fn take_changes(&mut self) -> Vec<Changed> {
        std::mem::take(&mut self.changed)
    }

    fn note_gone(&mut self, path: &[String], gone: &[Line]) {
        fn note(parent: &str, lines: &[Line], changed: &mut Vec<Changed>) {
            for line in lines {
                changed.push(Changed::went(parent, &line.text));
                note(&line.text, &line.children, changed);
            }
        }
        note(parent_of(path), gone, &mut self.changed);
    }

    /// The configuration as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        render_lines(&self.lines, 0, &mut out);
        out
    }

    /// Every line with its parent's text, depth first.
    pub fn walk<'t>(&'t self, mut visit: impl FnMut(&'t str, &'t str)) {
        fn inner<'t>(lines: &'t [Line], parent: &'t str, visit: &mut impl FnMut(&'t str, &'t str)) {
            for line in lines {
                visit(parent, &line.text);
                inner(&line.children, &line.text, visit);
            }
        }
        inner(&self.lines, "", &mut visit);
    }

    /// What follows `head` in the last global line that begins with it.
    #[must_use]
    pub fn value(&self, head: &str) -> Option<&str> {
        let line = self.lines.iter().rev().find(|line| starts_with_words(&line.text, head))?;
        Some(line.text[head.len()..].trim())
    }

    /// The global lines that begin with `head`.
    pub fn starting_with<'t>(&'t self, head: &'t str) -> impl Iterator<Item = &'t Line> {
        self.lines.iter().filter(move |line| starts_with_words(&line.text, head))
    }
}

/// Renders lines with their children.
pub(crate) fn render_lines(lines: &[Line], depth: usize, out: &mut String) {
    for line in lines {
        if line.text.is_empty() {
            out.push('\n');
            continue;
        }
        // A banner's own lines stand as they are.
        writeln!(out, "{:width$}{}", "", line.text, width = depth * 2)
            .expect("writing to a String cannot fail");
        render_lines(&line.children, depth + 1, out);
    }
}

fn is_access_list(section: &str) -> bool {
    let words = section.split_whitespace().take(2).collect::<Vec<_>>();
    matches!(words[..], ["ip" | "ipv6" | "mac", "access-list"])
}

/// An entry with the word that counts as a licence written out.
fn written_out(text: &str) -> String {
    if !starts_with_words(numbered(text).1, "permit") {
        return text.to_owned();
    }
    let word = |word: &str| {
        let is_short = word.len() > 3 && "redirect".starts_with(word);
        if is_short { "redirect".to_owned() } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// An entry of a prefix list without its number: the list, and the entry.
fn prefix_entry(text: &str) -> Option<(&str, &str)> {
    let family =
        ["ip prefix-list ", "ipv6 prefix-list "].into_iter().find(|head| text.starts_with(head))?;
    let (name, entry) = text[family.len()..].split_once(' ')?;
    let is_entry = ["permit ", "deny "].iter().any(|word| entry.starts_with(word));
    is_entry.then(|| (&text[..family.len() + name.len()], entry))
}

/// Whether an entry has this number, and it alone was named.
fn number_is(line: &str, text: &str) -> bool {
    let number = text.parse::<u32>().ok();
    number.is_some() && numbered(line).0 == number
}

fn parent_of(path: &[String]) -> &str {
    path.last().map_or("", String::as_str)
}

impl Changed {
    fn came(parent: &str, line: &str) -> Self {
        Self { parent: parent.to_owned(), line: line.to_owned(), is_there: true }
    }

    fn went(parent: &str, line: &str) -> Self {
        Self { is_there: false, ..Self::came(parent, line) }
    }
}

/// Inserts a line after the last of its kind, or where its kind belongs; returns its place.
fn insert(lines: &mut Lines, text: &str, top: bool) -> usize {
    let own = rank(text);
    let place = if top && own < ORDER.len() {
        lines
            .iter()
            .rposition(|line| !line.text.is_empty() && rank(&line.text) <= own)
            .map_or(0, |last| last + 1)
    } else {
        lines.len()
    };
    lines.insert(place, Line::of(text));
    place
}

#[cfg(test)]
mod tests {
    use super::ConfigTree;

    const TEXT: &str = "version 10.4(3) Bios:version 05.45\nhostname leaf\n\nfeature bgp\n\nvlan 1\ninterface Ethernet1/1\n  no shutdown\n  ip address 10.0.0.1/24\nrouter bgp 1\n  neighbor 10.0.0.2\n    remote-as 2\n";

    #[test]
    fn a_configuration_comes_out_as_it_went_in() {
        assert_eq!(ConfigTree::parse(TEXT).render(), TEXT);
        let noisy = format!("!Command: show running-config\n{}", TEXT.replace('\n', " \r\n"));
        assert_eq!(ConfigTree::parse(&noisy).render(), TEXT);
    }

    #[test]
    fn lines_are_set_replaced_and_removed() {
        let mut tree = ConfigTree::parse(TEXT);
        tree.set(&[], "hostname spine", 1);
        tree.add(&[], "feature ospf");
        tree.set(&[], "license smart transport smart", 3);
        tree.set(&[], "license smart transport off", 3);
        let path = ["interface Ethernet1/1".to_owned()];
        tree.add(&path, "shutdown");
        assert!(tree.remove(&path, "ip address", 2));
        let text = tree.render();
        assert!(
            text.contains(
                "hostname spine\n\nfeature bgp\nfeature ospf\nlicense smart transport off\n"
            ),
            "{text}"
        );
        assert!(text.contains("interface Ethernet1/1\n  shutdown\nrouter"), "{text}");
        assert!(!tree.remove(&[], "feature nothing", usize::MAX));
        assert_eq!(tree.value("license smart transport"), Some("off"));
    }

    #[test]
    fn a_later_no_takes_a_line_away() {
        let tree = ConfigTree::parse(
            "feature ssh\nfeature sftp-server\nno feature sftp-server\nno ip redirects\n",
        );
        assert_eq!(tree.render(), "feature ssh\nno ip redirects\n");
    }

    #[test]
    fn a_banner_is_one_line_of_many() {
        let text = "banner motd #\n  router bgp\n!not a comment\n#\nhostname x\n";
        let tree = ConfigTree::parse(text);
        assert_eq!(tree.lines.len(), 2);
        assert_eq!(tree.render(), text);
    }
}
