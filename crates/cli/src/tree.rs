//! The command tree: unique-prefix matching, help, completion.
//!
//! # The text form
//! One node a line, two blanks of indentation for each level:
//!
//! ```text
//! license "License commands"
//!   smart "Smart Licensing"
//!     usage "Usage reporting"
//!       interval "Days between reports"
//!         <1-365:days> "Days" => interval
//! ```
//!
//! A node is a keyword or a value: a number `<MIN-MAX:name>`, `<WORD:name>`, a name of up to so many letters
//! `<NAME32:name>`, `<ADDRESS:name>`, `<HOST:name>`, `<TIME:name>`, or the rest of the line `<LINE:name>`.
//! `=> action` makes it the end of a command; `=no> action` an end only after `no`; `=yes> action` only without. What an
//! action is, whoever reads the tree says: one that nobody knows is an error of the text.

use std::fmt;

use crate::token::{Kind, Refusal, Token};

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeError {
    line: usize,
    text: String,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for TreeError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    OnlyNo,
    OnlyYes,
}

#[derive(Clone, Debug)]
struct Node<A> {
    token: Token,
    help: String,
    action: Option<(A, When)>,
    children: Vec<Node<A>>,
}

impl<A> Node<A> {
    fn ends(&self, negated: bool) -> Option<&A> {
        let (action, when) = self.action.as_ref()?;
        let fits = match when {
            When::Always => true,
            When::OnlyNo => negated,
            When::OnlyYes => !negated,
        };
        fits.then_some(action)
    }
}

/// The commands of one mode, each with what it does.
#[derive(Clone, Debug)]
pub struct Tree<A> {
    roots: Vec<Node<A>>,
}

/// A value in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name in the tree.
    pub name: String,
    /// What was typed.
    pub value: String,
    /// Where it begins in the line, in bytes.
    pub at: usize,
}

/// A complete command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched<A> {
    /// The action of its last node.
    pub action: A,
    /// Its values.
    pub arguments: Vec<Argument>,
    /// The command with every keyword written out.
    pub canonical: String,
}

impl<A> Matched<A> {
    /// The value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|a| a.name == name).map(|a| a.value.as_str())
    }

    /// Where the value of that name begins in the line, in bytes.
    #[must_use]
    pub fn place_of(&self, name: &str) -> usize {
        self.arguments.iter().find(|a| a.name == name).map_or(0, |a| a.at)
    }

    /// Whether a keyword stands in the command.
    #[must_use]
    pub fn has(&self, keyword: &str) -> bool {
        self.canonical.split(' ').any(|word| word == keyword)
    }
}

/// What a line turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<A> {
    /// A command.
    Command(Matched<A>),
    /// None, and where that shows: a byte offset in the line.
    Refused {
        /// Why.
        refusal: Refusal,
        /// Where.
        at: usize,
    },
}

impl<A> Default for Tree<A> {
    fn default() -> Self {
        Self { roots: Vec::new() }
    }
}

/// A command as the reference shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described<A> {
    /// Its words and the kinds of its values.
    pub path: String,
    /// What its last word says.
    pub help: String,
    /// What it does.
    pub action: A,
    /// Whether it is one only after `no`.
    pub only_no: bool,
}

impl<A: Copy> Tree<A> {
    /// Reads a text into the tree, into what is there already. `action` knows what the names of actions stand for.
    ///
    /// # Errors
    /// With the line that is wrong.
    pub fn add_text(
        &mut self,
        text: &str,
        action: &dyn Fn(&str) -> Option<A>,
    ) -> Result<(), TreeError> {
        let tree = self;
        // The path of child indices to the node last added.
        let mut path: Vec<usize> = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let error = |text: &str| TreeError { line: index + 1, text: text.to_owned() };
            let content = raw.trim();
            if content.is_empty() || content.starts_with("//") {
                continue;
            }
            let indent = raw.len() - raw.trim_start().len();
            if !indent.is_multiple_of(2) || indent / 2 > path.len() {
                return Err(error("wrong indentation"));
            }
            path.truncate(indent / 2);
            let node = parse_node(content).ok_or_else(|| error("not a node"))?;
            let known = |(name, when): (String, When)| {
                let action = action(&name).ok_or_else(|| error("nothing does what it names"))?;
                Ok((action, when))
            };
            let action = node.action.map(known).transpose()?;
            let mut siblings = &mut tree.roots;
            for step in &path {
                siblings = &mut siblings[*step].children;
            }
            // What several texts say of one word is one node.
            let place = siblings.iter().position(|known| known.token == node.token);
            let place = place.unwrap_or_else(|| {
                let (token, help) = (node.token, node.help);
                siblings.push(Node { token, help, action: None, children: Vec::new() });
                siblings.len() - 1
            });
            if action.is_some() && siblings[place].action.is_some() {
                return Err(error("it does something already"));
            }
            if action.is_some() {
                siblings[place].action = action;
            }
            path.push(place);
        }
        Ok(())
    }

    /// Adds a command of keywords below an existing path, e.g. the features of a catalogue.
    pub fn add(&mut self, words: &[&str], help: &str, action: A) {
        let mut siblings = &mut self.roots;
        for (index, word) in words.iter().enumerate() {
            let token = Token::Keyword((*word).to_owned());
            let place = siblings.iter().position(|node| node.token == token);
            let place = place.unwrap_or_else(|| {
                let help = help.to_owned();
                siblings.push(Node { token, help, action: None, children: Vec::new() });
                siblings.len() - 1
            });
            if index + 1 == words.len() {
                siblings[place].action = Some((action, When::Always));
            }
            siblings = &mut siblings[place].children;
        }
    }

    /// Parses a line; `negated` when it followed `no`.
    #[must_use]
    pub fn match_line(&self, line: &str, negated: bool) -> Parsed<A> {
        let words = words_of(line);
        let mut siblings = self.roots.as_slice();
        let mut end: Option<&A> = None;
        let mut arguments = Vec::new();
        let mut canonical = String::new();
        for (at, word) in &words {
            let node = match find(siblings, word) {
                Ok(node) => node,
                Err(refusal) => return Parsed::Refused { refusal, at: *at },
            };
            if !canonical.is_empty() {
                canonical.push(' ');
            }
            match &node.token {
                Token::Keyword(keyword) => canonical.push_str(keyword),
                Token::Value { kind: Kind::Line, name } => {
                    let rest = line[*at..].trim_end();
                    canonical.push_str(rest);
                    arguments.push(Argument {
                        name: name.clone(),
                        value: rest.to_owned(),
                        at: *at,
                    });
                    end = node.ends(negated);
                    break;
                }
                Token::Value { name, .. } => {
                    canonical.push_str(word);
                    let value = word.trim_matches('"').to_owned();
                    arguments.push(Argument { name: name.clone(), value, at: *at });
                }
            }
            end = node.ends(negated);
            siblings = &node.children;
        }
        match end {
            Some(action) => Parsed::Command(Matched { action: *action, arguments, canonical }),
            None => Parsed::Refused { refusal: Refusal::Incomplete, at: line.trim_end().len() },
        }
    }

    /// The nodes that may follow `line`, whose last word may be unfinished.
    fn next_nodes(&self, line: &str, negated: bool) -> Option<(Vec<&Node<A>>, bool)> {
        let words = words_of(line);
        let unfinished = !line.is_empty() && !line.ends_with(char::is_whitespace);
        let complete = if unfinished { &words[..words.len() - 1] } else { &words[..] };
        let mut siblings = self.roots.as_slice();
        let mut node: Option<&Node<A>> = None;
        for (_, word) in complete {
            let found = find(siblings, word).ok()?;
            siblings = &found.children;
            node = Some(found);
        }
        let prefix = if unfinished { words.last().map_or("", |(_, word)| word) } else { "" };
        let fitting = siblings.iter().filter(|node| node.token.may_become(prefix)).collect();
        let may_end = !unfinished && node.is_some_and(|node| node.ends(negated).is_some());
        Some((fitting, may_end))
    }

    /// What `?` shows after `line`.
    #[must_use]
    pub fn help(&self, line: &str, negated: bool) -> Vec<(String, String)> {
        let Some((nodes, may_end)) = self.next_nodes(line, negated) else { return Vec::new() };
        let mut rows: Vec<(String, String)> =
            nodes.iter().map(|node| (node.token.shown(), node.help.clone())).collect();
        rows.sort();
        if may_end {
            rows.insert(0, ("<CR>".to_owned(), String::new()));
        }
        rows
    }

    /// The keywords the unfinished last word of `line` may become.
    #[must_use]
    pub fn complete(&self, line: &str) -> Vec<String> {
        let Some((nodes, _)) = self.next_nodes(line, false) else { return Vec::new() };
        nodes
            .iter()
            .filter_map(|node| match &node.token {
                Token::Keyword(word) => Some(word.clone()),
                Token::Value { .. } => None,
            })
            .collect()
    }

    /// Every command, for the reference document.
    #[must_use]
    pub fn reference(&self) -> Vec<Described<A>> {
        fn walk<A: Copy>(node: &Node<A>, before: &str, rows: &mut Vec<Described<A>>) {
            let path = format!("{before}{}", node.token.shown());
            if let Some((action, when)) = node.action {
                let (path, help) = (path.clone(), node.help.clone());
                rows.push(Described { path, help, action, only_no: when == When::OnlyNo });
            }
            for child in &node.children {
                walk(child, &format!("{path} "), rows);
            }
        }
        let mut rows = Vec::new();
        for root in &self.roots {
            walk(root, "", &mut rows);
        }
        rows
    }

    /// The words of a line, however short, as they are written out, with what is said of each.
    #[must_use]
    pub fn explain(&self, line: &str) -> Vec<(String, String)> {
        let mut siblings = self.roots.as_slice();
        let mut rows = Vec::new();
        for (_, word) in words_of(line) {
            let Ok(node) = find(siblings, word) else { break };
            rows.push((node.token.shown(), node.help.clone()));
            siblings = &node.children;
        }
        rows
    }
}

fn parse_node(content: &str) -> Option<Node<String>> {
    let (token, rest) = content.split_once(' ').unwrap_or((content, ""));
    let rest = rest.trim();
    let (help, rest) = match rest.strip_prefix('"') {
        Some(quoted) => {
            let (help, rest) = quoted.split_once('"')?;
            (help, rest.trim())
        }
        None => ("", rest),
    };
    let action = if rest.is_empty() {
        None
    } else {
        let (arrow, action) = rest.split_once(' ')?;
        let when = match arrow {
            "=>" => When::Always,
            "=no>" => When::OnlyNo,
            "=yes>" => When::OnlyYes,
            _ => return None,
        };
        Some((action.trim().to_owned(), when))
    };
    Some(Node { token: Token::parse(token)?, help: help.to_owned(), action, children: Vec::new() })
}

/// The words of a line and where they start; a quoted run is one word.
fn words_of(line: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        if c == '"' {
            quoted = !quoted;
        }
        if c.is_whitespace() && !quoted {
            if let Some(from) = start.take() {
                words.push((from, &line[from..at]));
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(from) = start {
        words.push((from, &line[from..]));
    }
    words
}

/// An exact keyword wins over a prefix, a keyword over a value.
fn find<'t, A>(siblings: &'t [Node<A>], word: &str) -> Result<&'t Node<A>, Refusal> {
    let exact = siblings.iter().find(
        |node| matches!(&node.token, Token::Keyword(keyword) if keyword.eq_ignore_ascii_case(word)),
    );
    if let Some(node) = exact {
        return Ok(node);
    }
    let mut keywords = siblings
        .iter()
        .filter(|node| matches!(node.token, Token::Keyword(_)) && node.token.may_become(word));
    if let Some(first) = keywords.next() {
        return if keywords.next().is_some() { Err(Refusal::Ambiguous) } else { Ok(first) };
    }
    let mut refusal = Refusal::Invalid;
    for node in siblings {
        match node.token.check(word) {
            Ok(()) => return Ok(node),
            Err(Refusal::Invalid) => {}
            Err(said) => refusal = said,
        }
    }
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::{Parsed, Tree};
    use crate::Refusal;

    const TEXT: &str = r#"
show "Show running system information"
  license "License information"
    status "Status" => status
    summary "Summary" => summary
    rum "Reports"
      id "By number"
        all "All" => rum
        <0-99:id> "Number" => rum
  logging "Log" => logging
clock "Clock"
  set "Set it"
    <WORD:time> "hh:mm:ss" => clock
vrf "VRF"
  <WORD:name> "Name" =yes> vrf
echo "Echo"
  <LINE:text> "Text" => echo
"#;

    const ACTIONS: &[&str] = &["status", "summary", "rum", "logging", "clock", "vrf", "echo"];

    fn tree() -> Tree<&'static str> {
        let mut tree = Tree::default();
        let action = |name: &str| ACTIONS.iter().copied().find(|known| *known == name);
        tree.add_text(TEXT, &action).unwrap();
        tree
    }

    fn action(line: &str) -> Result<String, (Refusal, usize)> {
        match tree().match_line(line, false) {
            Parsed::Command(matched) => Ok(matched.action.to_owned()),
            Parsed::Refused { refusal, at } => Err((refusal, at)),
        }
    }

    #[test]
    fn unique_prefixes_are_enough() {
        // PI-CLI-003
        assert_eq!(action("sh li sta"), Ok("status".to_owned()));
        assert_eq!(action("SHOW license summ"), Ok("summary".to_owned()));
        assert_eq!(action("sh l"), Err((Refusal::Ambiguous, 3)));
        assert_eq!(action("sh lic s"), Err((Refusal::Ambiguous, 7)));
        assert_eq!(action("show license"), Err((Refusal::Incomplete, 12)));
        assert_eq!(action("show nothing"), Err((Refusal::Invalid, 5)));
        assert_eq!(
            action("show license rum id 100"),
            Err((Refusal::Range { min: 0, max: 99 }, 20))
        );
        assert_eq!(action("show license rum id 99"), Ok("rum".to_owned()));
        assert_eq!(action(""), Err((Refusal::Incomplete, 0)));
    }

    #[test]
    fn values_keep_their_names_and_the_command_is_written_out() {
        let Parsed::Command(matched) = tree().match_line("ec  a  \"b\" ", false) else { panic!() };
        assert_eq!(matched.get("text"), Some("a  \"b\""));
        let Parsed::Command(matched) = tree().match_line("cl se 1:2:3", false) else { panic!() };
        assert_eq!(matched.canonical, "clock set 1:2:3");
        assert!(matches!(tree().match_line("vrf x", true), Parsed::Refused { .. }));
    }

    #[test]
    fn help_and_completion_come_from_the_same_data() {
        let help = tree().help("show license ", false);
        assert_eq!(help.len(), 3);
        assert_eq!(help[0], ("rum".to_owned(), "Reports".to_owned()));
        assert_eq!(tree().help("show logging ", false)[0].0, "<CR>");
        assert_eq!(tree().complete("show license st"), ["status"]);
        assert_eq!(tree().complete("sh"), ["show"]);
        assert!(tree().complete("nonsense ").is_empty());
        let reference = tree().reference();
        let row = reference.iter().find(|row| row.path == "show license rum id <0-99>").unwrap();
        assert_eq!((row.help.as_str(), row.action, row.only_no), ("Number", "rum", false));
        assert_eq!(tree().explain("sh lic rum i 7 x")[4].0, "<0-99>");
        assert_eq!(tree().explain("sh nothing").len(), 1);
    }

    #[test]
    fn several_texts_make_one_tree_and_an_action_that_nobody_knows_is_an_error() {
        let mut tree = tree();
        let known = |name: &str| (name == "status").then_some("status");
        let error = |tree: &mut Tree<_>, text| tree.add_text(text, &known).unwrap_err().to_string();
        let more = "show \"S\"\n  license \"L\"\n    more \"M\" => status\n";
        tree.add_text(more, &known).unwrap();
        assert_eq!(tree.complete("show license "), ["status", "summary", "rum", "more"]);
        assert_eq!(tree.help("sh", false)[0].1, "Show running system information");
        assert_eq!(error(&mut tree, more), "line 3: it does something already");
        assert_eq!(error(&mut tree, "x \"X\" => nobody"), "line 1: nothing does what it names");
        assert_eq!(error(&mut tree, "  x"), "line 1: wrong indentation");
        assert_eq!(error(&mut tree, "x y"), "line 1: not a node");
    }
}
