//! The configuration as a tree of lines.
//!
//! Lines that mean something to the switch and lines that do not lie in the same tree, in order. What the
//! switch does with its configuration is derived from the lines, so a file written by a real switch loads and
//! comes out as it went in.

use std::fmt::Write as _;

/// A line and those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its text, without indentation; empty for a blank line.
    pub text: String,
    /// The lines of its submode.
    pub children: Vec<Line>,
}

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigTree {
    /// The lines of global configuration.
    pub lines: Vec<Line>,
    /// While a file is read its order is kept; by hand, a line goes where its kind stands.
    pub(crate) keeps_order: bool,
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

fn rank(text: &str) -> usize {
    ORDER.iter().position(|head| starts_with_words(text, head)).unwrap_or(ORDER.len())
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
    pub fn section(&self, path: &[String]) -> Option<&Vec<Line>> {
        let mut lines = &self.lines;
        for text in path {
            lines = &lines.iter().find(|line| line.text == *text)?.children;
        }
        Some(lines)
    }

    /// The lines of a submode, made if they are not there.
    pub fn section_mut(&mut self, path: &[String]) -> &mut Vec<Line> {
        let keeps_order = self.keeps_order;
        let mut lines = &mut self.lines;
        for (depth, text) in path.iter().enumerate() {
            let place = match lines.iter().position(|line| line.text == *text) {
                Some(place) => place,
                None => insert(lines, text.clone(), depth == 0 && !keeps_order),
            };
            lines = &mut lines[place].children;
        }
        lines
    }

    /// Sets a line; one with the same first `key_words` words is replaced where it stands.
    pub fn set(&mut self, path: &[String], text: &str, key_words: usize) {
        let key = first_words(text, key_words);
        let negation = format!("no {text}");
        self.set_where(path, text, |line| starts_with_words(line, &key) || line == negation);
    }

    /// Sets a line in the place of the first that is the same setting; there is no other one then.
    pub(crate) fn set_where(
        &mut self,
        path: &[String],
        text: &str,
        is_same: impl Fn(&str) -> bool,
    ) {
        let top = path.is_empty() && !self.keeps_order;
        let lines = self.section_mut(path);
        let Some(first) = lines.iter().position(|line| is_same(&line.text)) else {
            insert(lines, text.to_owned(), top);
            return;
        };
        text.clone_into(&mut lines[first].text);
        let mut place = 0;
        lines.retain(|line| {
            place += 1;
            place <= first + 1 || !is_same(&line.text)
        });
    }

    /// Takes away the lines that are meant.
    pub(crate) fn take_where(&mut self, path: &[String], is_meant: impl Fn(&str) -> bool) {
        self.section_mut(path).retain(|line| !is_meant(&line.text));
    }

    /// Adds a line unless it is there; a `no` of it goes.
    pub fn add(&mut self, path: &[String], text: &str) {
        self.set(path, text, usize::MAX);
    }

    /// Removes the lines that begin with `text` up to `key_words` words; says whether there were any.
    pub fn remove(&mut self, path: &[String], text: &str, key_words: usize) -> bool {
        remove_line(self.section_mut(path), text, key_words)
    }

    /// Sets a toggle: it and its `no` take each other's place.
    pub(crate) fn toggle(&mut self, path: &[String], text: &str, negated: bool) {
        let (top, no) = (path.is_empty() && !self.keeps_order, format!("no {text}"));
        let line = if negated { no.as_str() } else { text };
        let lines = self.section_mut(path);
        match lines.iter_mut().find(|known| known.text == text || known.text == no) {
            Some(known) => line.clone_into(&mut known.text),
            None => {
                insert(lines, line.to_owned(), top);
            }
        }
    }

    /// Adds a line that stands beside others of its kind; one of an access list gets a number.
    pub(crate) fn add_entry(&mut self, path: &[String], text: &str) {
        if !path.last().is_some_and(|section| is_access_list(section)) {
            return self.add(path, text);
        }
        let text = &written_out(text);
        let lines = self.section_mut(path);
        let (number, entry) = numbered(text);
        if !["permit", "deny", "remark"].iter().any(|word| starts_with_words(entry, word)) {
            return self.add(path, text);
        }
        let same = |line: &Line| numbered(&line.text).1 == entry;
        if number.is_none() && lines.iter().any(same) {
            return;
        }
        let last = lines.iter().filter_map(|line| numbered(&line.text).0).max().unwrap_or(0);
        let number = number.unwrap_or_else(|| (last - last % 10).saturating_add(10));
        lines.retain(|line| numbered(&line.text).0 != Some(number));
        let is_before = |line: &Line| numbered(&line.text).0.is_none_or(|known| known < number);
        let place = lines.iter().take_while(|line| is_before(line)).count();
        let text = format!("{number} {entry}");
        lines.insert(place, Line { text, children: Vec::new() });
    }

    /// Takes away the line that is named, or what begins with the words.
    pub(crate) fn take_away(&mut self, path: &[String], text: &str) {
        self.take_named(path, text, true);
    }

    /// The same; says whether there was any. Only if it may, what is longer than what was named is meant too.
    pub(crate) fn take_named(&mut self, path: &[String], text: &str, may_be_longer: bool) -> bool {
        let in_list = path.last().is_some_and(|section| is_access_list(section));
        let lines = self.section_mut(path);
        let before = lines.len();
        let is_it = |line: &Line| {
            line.text == text || in_list && numbered(&line.text).1 == text || number_is(line, text)
        };
        if lines.iter().any(is_it) {
            lines.retain(|line| !is_it(line));
        } else if may_be_longer {
            lines.retain(|line| !starts_with_words(&line.text, text));
        }
        lines.len() < before
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

/// The number before an entry, and the entry.
fn numbered(text: &str) -> (Option<u32>, &str) {
    match text.split_once(' ') {
        Some((number, entry)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            number.parse().map_or((None, text), |number| (Some(number), entry))
        }
        _ => (None, text),
    }
}

/// Whether an entry has this number, and it alone was named.
fn number_is(line: &Line, text: &str) -> bool {
    let number = text.parse::<u32>().ok();
    number.is_some() && numbered(&line.text).0 == number
}

fn remove_line(lines: &mut Vec<Line>, text: &str, key_words: usize) -> bool {
    let key = first_words(text, key_words);
    let before = lines.len();
    lines.retain(|line| !starts_with_words(&line.text, &key));
    lines.len() < before
}

/// Inserts a line after the last of its kind, or where its kind belongs; returns its place.
fn insert(lines: &mut Vec<Line>, text: String, top: bool) -> usize {
    let own = rank(&text);
    let place = if top && own < ORDER.len() {
        lines
            .iter()
            .rposition(|line| !line.text.is_empty() && rank(&line.text) <= own)
            .map_or(0, |last| last + 1)
    } else {
        lines.len()
    };
    lines.insert(place, Line { text, children: Vec::new() });
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
