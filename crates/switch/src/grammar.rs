//! The command trees, and which configuration lines open a submode.

use std::sync::OnceLock;

use rumline_catalogue::Catalogue;
use rumline_cli::{Matched, Parsed, Tree};

/// Words that configuration mode leaves to the commands of EXEC.
pub(crate) const OF_EXEC: &[&str] = &["exit", "end", "copy", "where", "configure"];

pub(crate) fn exec() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| read(include_str!("grammar/exec.txt")))
}

pub(crate) fn config() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let mut tree = read(include_str!("grammar/config.txt"));
        for feature in Catalogue::nexus().features() {
            let mut words = vec!["feature"];
            words.extend(feature.name.split(' '));
            let help = feature.package.as_deref().unwrap_or("No licence");
            tree.add(&words, help, "feature");
        }
        tree
    })
}

pub(crate) fn callhome() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| read(include_str!("grammar/callhome.txt")))
}

fn read(text: &str) -> Tree {
    Tree::parse(text).expect("the command trees are checked by a test")
}

/// Whether all lines that begin so mean something here: one that is no command is refused.
pub(crate) fn is_modelled(words: &[&str]) -> bool {
    match words {
        ["username", _, what, ..] => {
            !["passphrase", "sshkey", "keypair", "shelltype"].contains(what)
        }
        [first, ..] => ["license", "feature", "hostname", "username", "callhome"].contains(first),
        [] => false,
    }
}

/// Whether a line, whatever else it is, may hold a password in clear.
pub(crate) fn may_hold_password(words: &[&str]) -> bool {
    let begins = |typed: &str, word: &str| word.starts_with(&typed.to_ascii_lowercase());
    match words {
        [first, _, what, kind, ..] => {
            begins(first, "username") && begins(what, "password") && *kind != "5"
        }
        _ => false,
    }
}

/// Whether a line is one of EXEC, or the beginning of one.
pub(crate) fn is_exec(line: &str) -> bool {
    match exec().match_line(line, false) {
        Parsed::Command(_) => true,
        Parsed::Refused { at, .. } => at > 0,
    }
}

/// The line without `no`, and whether it had one.
pub(crate) fn split_no(line: &str) -> (&str, bool) {
    let trimmed = line.trim_start();
    match trimmed.split_once(char::is_whitespace) {
        Some((word, rest)) if word.eq_ignore_ascii_case("no") => (rest.trim_start(), true),
        _ => (trimmed, false),
    }
}

/// Words as a line, with its `no`.
pub(crate) fn joined(words: &[&str], negated: bool) -> String {
    let text = words.join(" ");
    if negated { format!("no {text}") } else { text }
}

/// A command's argument that the tree guarantees.
pub(crate) fn argument<'c>(command: &'c Matched, name: &str) -> &'c str {
    command.get(name).unwrap_or_default()
}

/// Every command with its help, for the reference document: EXEC, configuration, Call Home.
#[must_use]
pub fn command_reference() -> [Vec<(String, String)>; 3] {
    [exec().reference(), config().reference(), callhome().reference()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_trees_can_be_read() {
        for part in super::command_reference() {
            assert!(part.len() > 5);
        }
    }
}
