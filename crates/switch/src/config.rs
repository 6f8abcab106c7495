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
}

/// Where lines of these kinds stand among each other when they are added by hand; others come after.
const ORDER: &[&str] = &[
    "version",
    "switchname",
    "hostname",
    "vdc",
    "install",
    "feature-set",
    "feature",
    "nv overlay evpn",
    "no feature",
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
    "clock",
    "vrf context",
];

fn rank(text: &str) -> usize {
    ORDER.iter().position(|head| starts_with_words(text, head)).unwrap_or(ORDER.len())
}

/// Whether `text` begins with the words of `head`.
#[must_use]
pub(crate) fn starts_with_words(text: &str, head: &str) -> bool {
    text.strip_prefix(head).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

impl ConfigTree {
    /// Reads a configuration as a switch prints it or a person wrote it. Comments are left out (PI-CLI-036).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        // Indentation and index path of the open lines.
        let mut open: Vec<(usize, usize)> = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rest = text.lines();
        while let Some(raw) = rest.next() {
            let raw = raw.trim_end();
            let content = raw.trim_start();
            if content.starts_with('!') || content.starts_with('#') {
                continue;
            }
            let indent = raw.len() - content.len();
            if content.is_empty() {
                open.clear();
                if tree.lines.last().is_some_and(|line| !line.text.is_empty()) {
                    tree.lines.push(Line::default());
                }
                continue;
            }
            let mut line = Line { text: content.to_owned(), children: Vec::new() };
            read_banner(&mut line, &mut rest);
            while open.last().is_some_and(|(outer, _)| *outer >= indent) {
                open.pop();
            }
            let siblings = tree.lines_at_mut(&open.iter().map(|(_, i)| *i).collect::<Vec<_>>());
            if let Some(target) = line.text.strip_prefix("no ")
                && remove_line(siblings, target, usize::MAX)
            {
                continue;
            }
            siblings.push(line);
            open.push((indent, siblings.len() - 1));
        }
        tree
    }

    fn lines_at_mut(&mut self, path: &[usize]) -> &mut Vec<Line> {
        let mut lines = &mut self.lines;
        for index in path {
            lines = &mut lines[*index].children;
        }
        lines
    }

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
        let mut lines = &mut self.lines;
        for (depth, text) in path.iter().enumerate() {
            let place = match lines.iter().position(|line| line.text == *text) {
                Some(place) => place,
                None => insert(lines, text.clone(), depth == 0),
            };
            lines = &mut lines[place].children;
        }
        lines
    }

    /// Sets a line; one with the same first `key_words` words is replaced where it stands.
    pub fn set(&mut self, path: &[String], text: &str, key_words: usize) {
        let top = path.is_empty();
        let lines = self.section_mut(path);
        let key = first_words(text, key_words);
        let negation = format!("no {text}");
        let same = lines
            .iter_mut()
            .find(|line| starts_with_words(&line.text, &key) || line.text == negation);
        match same {
            Some(line) => text.clone_into(&mut line.text),
            None => {
                insert(lines, text.to_owned(), top);
            }
        }
    }

    /// Adds a line unless it is there; a `no` of it goes.
    pub fn add(&mut self, path: &[String], text: &str) {
        self.set(path, text, usize::MAX);
    }

    /// Removes the lines that begin with `text` up to `key_words` words; says whether there were any.
    pub fn remove(&mut self, path: &[String], text: &str, key_words: usize) -> bool {
        remove_line(self.section_mut(path), text, key_words)
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

/// A banner goes on to the character it began with.
fn read_banner<'l>(line: &mut Line, rest: &mut impl Iterator<Item = &'l str>) {
    let Some(body) = line.text.strip_prefix("banner ") else { return };
    let Some((_, body)) = body.split_once(' ') else { return };
    let Some(delimiter) = body.trim_start().chars().next() else { return };
    let mut count = body.matches(delimiter).count();
    while count < 2 {
        let Some(next) = rest.next() else { return };
        count += next.matches(delimiter).count();
        line.text.push('\n');
        line.text.push_str(next);
    }
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
