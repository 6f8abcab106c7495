//! The command trees, and which configuration lines open a submode.

use std::sync::OnceLock;

use rumline_catalogue::Catalogue;
use rumline_cli::Tree;

use crate::config::starts_with_words;

/// A configuration mode: its name in the prompt and the line that opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// As in `switch(config-if)#`.
    pub prompt: String,
    /// The line that opened it; empty for global configuration.
    pub line: String,
}

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

/// Whether a line that is not modelled may begin with this word.
pub(crate) fn known_word(word: &str) -> bool {
    static WORDS: OnceLock<Vec<&'static str>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let text = include_str!("grammar/words.txt");
        let lines = text.lines().filter(|line| !line.starts_with("//"));
        let mut words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        words.sort_unstable();
        words
    });
    words.binary_search(&word).is_ok()
        || word.bytes().all(|b| b.is_ascii_digit()) && !word.is_empty()
}

/// Global lines that open a submode, and its name.
const CONTEXTS: &[(&str, &str)] = &[
    ("aaa group server", "config-radius"),
    ("callhome", "config-callhome"),
    ("class-map", "config-cmap-qos"),
    ("control-plane", "config-cp"),
    ("event manager applet", "config-applet"),
    ("evpn", "config-evpn"),
    ("flow", "config-flow"),
    ("interface", "config-if"),
    ("ip access-list", "config-acl"),
    ("ipv6 access-list", "config-ipv6-acl"),
    ("itd", "config-itd"),
    ("key chain", "config-keychain"),
    ("line console", "config-console"),
    ("line vty", "config-line"),
    ("mac access-list", "config-mac-acl"),
    ("monitor session", "config-monitor"),
    ("object-group", "config-obj-group"),
    ("policy-map", "config-pmap-qos"),
    ("route-map", "config-route-map"),
    ("router", "config-router"),
    ("slot", "config-slot"),
    ("spanning-tree mst configuration", "config-mst"),
    ("telemetry", "config-telemetry"),
    ("template", "config-template"),
    ("vdc", "config-vdc"),
    ("vlan", "config-vlan"),
    ("vpc domain", "config-vpc-domain"),
    ("vrf context", "config-vrf"),
];

/// Lines that open a submode inside one.
const INNER: &[(&str, &str)] = &[
    ("address-family", "af"),
    ("class", "c"),
    ("destination-group", "dest"),
    ("key", "key"),
    ("member vni", "vni"),
    ("neighbor", "neighbor"),
    ("sensor-group", "sensor"),
    ("subscription", "sub"),
    ("template peer", "neighbor"),
    ("vrf", "vrf"),
];

/// The submode a line of global configuration opens.
pub(crate) fn context(line: &str) -> Option<&'static str> {
    CONTEXTS.iter().find(|(head, _)| starts_with_words(line, head)).map(|(_, name)| *name)
}

/// The submode a line opens inside `outer`.
pub(crate) fn inner_context(outer: &str, line: &str) -> Option<String> {
    if !outer.starts_with("config-router")
        && !["config-if", "config-pmap-qos", "config-keychain", "config-telemetry"].contains(&outer)
        && !outer.starts_with("config-vrf")
    {
        return None;
    }
    let (_, name) = INNER.iter().find(|(head, _)| starts_with_words(line, head))?;
    // A neighbor with more on its line is one setting, not a submode; so is `vrf member`.
    let words = line.split_whitespace().count();
    let plain = match *name {
        "neighbor" => words <= 2 || line.contains("remote-as") || line.starts_with("template"),
        "vrf" => outer.starts_with("config-router"),
        _ => true,
    };
    plain.then(|| format!("{outer}-{name}"))
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
        assert!(super::known_word("switchport"));
        assert!(!super::known_word("nonsense"));
    }
}
