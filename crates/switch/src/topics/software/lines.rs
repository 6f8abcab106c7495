//! The lines of a configuration that a release or model does not have: the catalogue names them, and they go on the way there.

use rumline_catalogue::{Catalogue, Gate, Release};

use crate::config::{ConfigTree, Lines};

/// A line that a release does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The lines that lead to it.
    pub sections: Vec<String>,
    pub line: String,
    /// The releases that have it, in words.
    pub has_it: String,
}

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for section in &self.sections {
            write!(f, "{section}: ")?;
        }
        write!(f, "{} ({})", self.line, self.has_it)
    }
}

/// The lines that are there with these gates only.
fn of_gates<'a>(tree: &ConfigTree, gates: impl Iterator<Item = &'a Gate>) -> Vec<Gone> {
    let gates: Vec<&Gate> = gates.filter(|gate| !gate.lines.is_empty()).collect();
    let mut gone = Vec::new();
    collect(&tree.lines, &mut Vec::new(), &gates, &mut gone);
    gone
}

fn collect(lines: &Lines, sections: &mut Vec<String>, gates: &[&Gate], gone: &mut Vec<Gone>) {
    for line in lines.iter() {
        let gate = gates.iter().find(|gate| gate.has_line(sections, &line.text));
        if let Some(gate) = gate {
            let (sections, has_it) = (sections.clone(), gate.to_string());
            gone.push(Gone { sections, line: line.text.clone(), has_it });
        } else if !line.children.is_empty() {
            sections.push(line.text.clone());
            collect(&line.children, sections, gates, gone);
            sections.pop();
        }
    }
}

/// The lines that go on the way from one release to another: those that the one has and the other has not.
pub(crate) fn between(tree: &ConfigTree, from: &str, to: &str, pid: &str) -> Vec<Gone> {
    of_gates(tree, Catalogue::nexus().closed_between(from, to, pid))
}

/// The lines that a release does not have on a model, wherever they came from.
pub(crate) fn not_of(tree: &ConfigTree, release: &str, pid: &str) -> Vec<Gone> {
    let catalogue = Catalogue::nexus();
    let shut = catalogue.gates().iter().filter(|gate| !catalogue.is_open(gate, release, pid));
    of_gates(tree, shut)
}

/// Takes the lines away; the line that names the release names this one then.
pub(crate) fn take(tree: &mut ConfigTree, gone: &[Gone], to: &Release) {
    for Gone { sections, line, .. } in gone {
        tree.take_where(sections, |text| text == line);
    }
    if tree.value("version").is_some() {
        tree.set(&[], &version_line(to), 1);
    }
}

/// The line that a configuration begins with.
pub(crate) fn version_line(release: &Release) -> String {
    format!("version {} Bios:version {}", release.nxos, release.bios)
}
