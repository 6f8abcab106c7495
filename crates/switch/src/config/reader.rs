//! The one reader of configuration: typed, pasted, copied or loaded, a line means the same.
//!
//! A line is tried in the present mode, then in each mode above; the first that knows it is where it belongs. Indentation is
//! a hint: where a section was indented, a line further out leaves it. Empty lines and comments end nothing. A line that no
//! mode knows stays where it is, if that is a submode; at the top it is refused when typed, and kept in a file.

use std::collections::BTreeMap;

use rumline_catalogue::Catalogue;
use rumline_cli::{Parsed, Refusal, Tree};

use super::modes::{self, GLOBAL, Hit, Kind, ModeRow};
use super::setting::{Put, Setting, Settings};
use super::{ConfigTree, Key, Line, is_access_list, starts_with_words, written_out};
use crate::answer::CommandError;

/// The longest banner or job that is kept; of a longer one lines are left out.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The gate of releases that want a feature before what it is for.
const FEATURE_FIRST: &str = "tap-aggregation before redirect";
/// The longest line that is read, and what is shown of one that is refused.
const LINE_BYTES_MAX: usize = 64 << 10;
const SHOWN_LETTERS_MAX: usize = 200;
/// Interfaces in one range: more than any switch has are none.
const RANGE_MAX: usize = 1_024;

/// A configuration mode that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    row: usize,
    /// The lines that opened it: one, or one for each of a range; none for global configuration.
    lines: Vec<String>,
    indent: usize,
    /// How far its lines are indented, once there was one.
    child_indent: Option<usize>,
}

/// A text of many lines that is being read, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    line: String,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// A character.
    Delimiter(char),
    /// A line of its own.
    Line(&'static str),
}

impl End {
    fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Delimiter(delimiter) => line.contains(*delimiter),
            Self::Line(last) => line.trim() == *last,
        }
    }
}

/// How far the reading of lines has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    modes: Vec<Mode>,
    text: Option<Text>,
    /// The line that was kept last in the present mode, and how far it was indented.
    last: Option<(String, usize)>,
}

/// Where lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A person, or a program in a session; what is unknown at the top is refused.
    Typed,
    /// A file that is copied into the running configuration: as if it were typed.
    Copied,
    /// A file that is the configuration; what is unknown is kept.
    File,
}

impl Place {
    /// Global configuration.
    pub(crate) fn global() -> Self {
        let global = Mode { row: GLOBAL, lines: Vec::new(), indent: 0, child_indent: None };
        Self { modes: vec![global], text: None, last: None }
    }

    /// As in `switch(config-if)#`; nothing inside of a text.
    pub(crate) fn prompt(&self) -> Option<&'static str> {
        let mode = self.modes.last().filter(|_| self.text.is_none())?;
        Some(modes::all()[mode.row].prompt)
    }

    /// Whether a line is one of a mode that is open, as far as modes know.
    pub(crate) fn knows(&self, body: &str) -> bool {
        let words: Vec<&str> = body.split_whitespace().collect();
        self.find(&words, false, self.modes.len() - 1).is_some()
    }

    /// How much it holds.
    pub(crate) fn bytes(&self) -> usize {
        let modes = self.modes.iter().flat_map(|mode| &mode.lines).map(String::len).sum::<usize>();
        modes + self.text.as_ref().map_or(0, |text| text.line.len())
    }

    /// The lines that lead here.
    pub(crate) fn trail(&self) -> impl Iterator<Item = String> {
        self.modes.iter().skip(1).map(|mode| mode.lines.join(", "))
    }

    /// What may follow `line` here or in global configuration, with what it is for.
    pub(crate) fn help(
        &self,
        grammar: &Grammar,
        line: &str,
        negated: bool,
    ) -> Vec<(String, String)> {
        let mut rows = grammar.config().help(line, negated);
        if let Some(own) = grammar.of_mode(self.prompt()) {
            rows.extend(own.help(line, negated));
        }
        let last = self.modes.len() - 1;
        let own = modes::all()[self.modes[last].row].next_words(line, negated);
        let outer = modes::all()[GLOBAL].next_words(line, negated);
        let is_word = |word: &String| word.starts_with(|c: char| c.is_ascii_lowercase());
        let more: Vec<String> = own.into_iter().chain(outer).collect();
        // What is known says more than that anything may follow.
        let is_begun = !line.is_empty() && !line.ends_with(char::is_whitespace);
        let is_known = !rows.is_empty() || is_begun && more.iter().any(is_word);
        let more = more.into_iter().filter(|word| !is_known || is_word(word));
        rows.extend(more.map(|word| (word, String::new())));
        rows
    }

    /// What its last word may become.
    pub(crate) fn complete(&self, grammar: &Grammar, line: &str) -> Vec<String> {
        let rows = self.help(grammar, line, false);
        let is_word = |word: &String| word.starts_with(|c: char| c.is_ascii_lowercase());
        rows.into_iter().map(|(word, _)| word).filter(is_word).collect()
    }

    /// Whether a text of many lines is being read.
    pub(crate) fn in_text(&self) -> bool {
        self.text.is_some()
    }

    /// Leaves the present mode; false if it was global configuration.
    pub(crate) fn exit(&mut self) -> bool {
        self.last = None;
        self.modes.pop();
        !self.modes.is_empty()
    }

    pub(crate) fn end(&mut self) {
        self.last = None;
        self.modes.truncate(1);
    }

    /// The sections that the present mode stands for.
    fn paths(&self) -> Vec<Vec<String>> {
        self.modes.iter().skip(1).fold(vec![Vec::new()], |paths, mode| {
            let with = |path: &Vec<String>| {
                let path = path.clone();
                mode.lines.iter().map(move |line| [path.clone(), vec![line.clone()]].concat())
            };
            paths.iter().flat_map(with).collect()
        })
    }

    /// Into which of the open modes a line goes, and what it is there.
    fn find(&self, words: &[&str], negated: bool, depth_max: usize) -> Option<(usize, Hit)> {
        let hit = |find: &dyn Fn(&'static ModeRow) -> Option<Hit>| {
            (0..=depth_max)
                .rev()
                .find_map(|depth| Some((depth, find(&modes::all()[self.modes[depth].row])?)))
        };
        // A word that is one says more than a word that may be the beginning of one.
        hit(&|row| numbered_hit(row, words, negated))
            .or_else(|| hit(&|row| numbered_short(row, words)))
    }

    /// The innermost mode that a line so far in may belong to. Where lines are indented, one that is no further in than what
    /// opened a mode is not of it.
    fn depth_by(&self, indent: usize, has_indents: bool) -> usize {
        let leaves = |mode: &Mode| match mode.child_indent {
            Some(inner) => indent < inner,
            None => has_indents && indent <= mode.indent,
        };
        self.modes.iter().skip(1).take_while(|mode| !leaves(mode)).count()
    }
}

/// A hit of a line that may have a number before it, as entries of lists have.
fn numbered_hit(row: &'static ModeRow, words: &[&str], negated: bool) -> Option<Hit> {
    let own = row.hit(words, negated);
    own.or_else(|| numbered(row, words, |rest| row.hit(rest, negated)))
}

/// The same with abbreviated keywords.
fn numbered_short(row: &'static ModeRow, words: &[&str]) -> Option<Hit> {
    row.short_hit(words).or_else(|| numbered(row, words, |rest| row.short_hit(rest)))
}

fn numbered(
    row: &'static ModeRow,
    words: &[&str],
    hit: impl Fn(&[&str]) -> Option<Hit>,
) -> Option<Hit> {
    let (number, rest) = words.split_first()?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    // Nothing of global configuration has one.
    if rest.is_empty() || !is_number || std::ptr::eq(row, &modes::all()[GLOBAL]) {
        return None;
    }
    Some(hit(rest).filter(|hit| hit.kind == Kind::Each)?.numbered(number))
}

/// The settings by the prompt of their mode, and what is a command of EXEC and never kept.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub modes: BTreeMap<&'static str, Tree<&'static Setting>>,
    /// What the settings of global configuration begin with.
    pub heads: Vec<String>,
    pub is_exec: fn(&str) -> bool,
}

impl Grammar {
    /// The prompt of global configuration.
    pub(crate) const GLOBAL: &str = "config";

    /// Whether words begin as a setting of global configuration does.
    fn begins_setting(&self, words: &[&str]) -> bool {
        self.heads.iter().any(|head| {
            let head: Vec<&str> = head.split(' ').collect();
            words.len() >= head.len() && words.starts_with(&head)
        })
    }

    /// The settings of global configuration.
    fn config(&self) -> &Tree<&'static Setting> {
        &self.modes[Self::GLOBAL]
    }

    /// The settings of a mode, if it has some of its own.
    fn of_mode(&self, prompt: Option<&str>) -> Option<&Tree<&'static Setting>> {
        self.modes.get(prompt?)
    }
}

/// Lines of a text that were refused: their numbers from 1, themselves, and why.
pub(crate) type Refusals = Vec<(usize, String, CommandError)>;

/// Reads lines into a tree.
pub(crate) struct Reader<'a> {
    tree: &'a mut ConfigTree,
    settings: Settings<'a>,
    source: Source,
    grammar: &'static Grammar,
    /// Whether it is a file with indentation: a line at the edge that nobody knows is one of global configuration.
    has_indents: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        tree: &'a mut ConfigTree,
        settings: Settings<'a>,
        source: Source,
        grammar: &'static Grammar,
    ) -> Self {
        Self { tree, settings, source, grammar, has_indents: false }
    }

    /// Takes a line as it stands; says what there is to say about it.
    pub(crate) fn line(&mut self, place: &mut Place, raw: &str) -> Result<String, CommandError> {
        if let Some(text) = &mut place.text {
            let ends = text.end.is_in(raw);
            if ends || text.line.len() + raw.len() < TEXT_BYTES_MAX {
                text.line.push('\n');
                text.line.push_str(raw);
            }
            if ends && let Some(text) = place.text.take() {
                self.tree.set(&[], &text.line, words_of_text(&text.line));
            }
            return Ok(String::new());
        }
        let line = raw.trim_end();
        let indent = line.len() - line.trim_start().len();
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('!') || content.starts_with('#') {
            return Ok(String::new());
        }
        if self.source != Source::File && is_bare_banner(content) {
            let (refusal, at) = (Refusal::Incomplete, line.len());
            return Err(CommandError::Syntax { refusal, at });
        }
        if let Some(text) = begun_text(content) {
            place.end();
            match text {
                Ok(text) => place.text = Some(text),
                Err(whole) => self.tree.set(&[], &whole, words_of_text(&whole)),
            }
            return Ok(String::new());
        }
        let (body, negated) = split_no(line);
        let offset = line.len() - body.len();
        let words: Vec<&str> = body.split_whitespace().collect();
        if self.source != Source::Typed {
            match words[..] {
                ["end"] => {
                    place.end();
                    return Ok(String::new());
                }
                ["exit"] => {
                    if place.modes.len() > 1 {
                        place.exit();
                    }
                    return Ok(String::new());
                }
                ["configure", "terminal"] => return Ok(String::new()),
                _ => {}
            }
        }
        if let ["default", rest @ ..] = &words[..]
            && rest.first() != Some(&"username")
            && let Some((depth, hit)) = place.find(rest, false, place.modes.len() - 1)
        {
            place.last = None;
            place.modes.truncate(depth + 1);
            self.set_back(place, &hit);
            return Ok(String::new());
        }
        // What means something to the switch is never text of a section that nobody knows.
        let means_something = is_modelled(&words)
            || matches!(self.grammar.config().match_line(body, negated), Parsed::Command(_));
        self.begin_unknown(place, &words, negated, indent, means_something);
        let hint = place.depth_by(indent, self.has_indents);
        if place.modes[hint].row == modes::unknown() && !means_something {
            place.modes.truncate(hint + 1);
            self.keep_unknown(place, &words, negated, indent);
            return Ok(String::new());
        }
        let found = place.find(&words, negated, hint);
        let found = found.or_else(|| place.find(&words, negated, place.modes.len() - 1));
        match found {
            Some((depth, hit)) if depth > 0 => {
                place.modes.truncate(depth + 1);
                note_indent(place, indent);
                let own = self.grammar.of_mode(place.prompt());
                match own.map(|own| own.match_line(body, negated)) {
                    Some(Parsed::Command(command)) => {
                        return self.settings.apply(self.tree, &place.paths(), &command, negated);
                    }
                    Some(Parsed::Refused { refusal, at })
                        if self.source != Source::File && is_final(place, refusal) =>
                    {
                        return Err(CommandError::Syntax { refusal, at: offset + at });
                    }
                    _ => {}
                }
                self.keep(place, &hit, negated, indent, line.len())
            }
            found => self.global(place, body, negated, (offset, indent, hint), found.map(|f| f.1)),
        }
    }

    /// A line further in than the one before begins a section that nobody knows, if nobody knows one of the two.
    fn begin_unknown(
        &self,
        place: &mut Place,
        words: &[&str],
        negated: bool,
        indent: usize,
        means_something: bool,
    ) {
        let Some((line, outer)) = place.last.take() else { return };
        if outer >= indent || means_something {
            return;
        }
        let deepest = place.modes.len() - 1;
        let above: Vec<&str> = line.split_whitespace().collect();
        let is_unknown = place.find(words, negated, deepest).is_none()
            || self.source == Source::File && place.find(&above, false, deepest).is_none();
        if is_unknown {
            let row = modes::unknown();
            place.modes.push(Mode { row, lines: vec![line], indent, child_indent: Some(indent) });
        }
    }

    /// A line of global configuration, or one that no mode knows.
    fn global(
        &mut self,
        place: &mut Place,
        body: &str,
        negated: bool,
        (offset, indent, hint): (usize, usize, usize),
        hit: Option<Hit>,
    ) -> Result<String, CommandError> {
        let words: Vec<&str> = body.split_whitespace().collect();
        let is_inner = hit.is_none() && place.modes.len() > 1;
        match self.grammar.config().match_line(body, negated) {
            Parsed::Command(command) => {
                let told = self.settings.apply(self.tree, &[Vec::new()], &command, negated);
                // A line that is refused leaves nothing.
                if told.is_ok() || self.source == Source::File {
                    place.modes.truncate(1);
                }
                if !negated && told.is_ok() {
                    self.open(place, hit.as_ref(), indent);
                }
                // What is more than a line is not kept as one.
                let is_more = matches!(command.action.put, Put::Own(_));
                if self.source == Source::File
                    && !is_more
                    && matches!(told, Err(CommandError::Failed(_)))
                {
                    // It may be of another release: it is kept, and counts for nothing.
                    self.tree.add(&[], &joined(&words, negated));
                }
                told
            }
            Parsed::Refused { refusal, at } => {
                let is_value = matches!(refusal, Refusal::Range { .. } | Refusal::Value(_));
                let is_setting = !negated && self.grammar.begins_setting(&words);
                if (is_value || is_setting) && self.source != Source::File {
                    return Err(CommandError::Syntax { refusal, at: at + offset });
                }
                if may_hold_password(&words) {
                    // However it is spelled: a password that was not understood is kept nowhere.
                    return Err(CommandError::Syntax { refusal, at: at + offset });
                }
                let is_file = self.source == Source::File;
                // What stands there can always be taken away.
                let goes = negated && self.tree.lines.place_of(body.trim_end()).is_some();
                if let Some(hit) = hit.filter(|_| is_file || goes || !is_modelled(&words)) {
                    place.modes.truncate(1);
                    return self.keep(place, &hit, negated, indent, offset + body.trim_end().len());
                }
                if self.source != Source::File && (is_modelled(&words) || !is_inner) {
                    return Err(CommandError::Syntax { refusal, at: at + offset });
                }
                if (self.grammar.is_exec)(body) {
                    return Err(CommandError::Syntax { refusal: Refusal::Invalid, at: offset });
                }
                let depth = if self.has_indents && indent == 0 {
                    0
                } else {
                    hint.max(usize::from(is_inner).min(place.modes.len() - 1))
                };
                place.modes.truncate(depth + 1);
                note_indent(place, indent);
                self.keep_unknown(place, &words, negated, indent);
                Ok(String::new())
            }
        }
    }

    /// Keeps a line of a mode, or takes it away.
    fn keep(
        &mut self,
        place: &mut Place,
        hit: &Hit,
        negated: bool,
        indent: usize,
        end: usize,
    ) -> Result<String, CommandError> {
        let is_there = |path: &Vec<String>| {
            self.tree.section(path).is_some_and(|lines| lines.iter().any(|l| l.text == hit.text))
        };
        if negated && !hit.names_it && !place.paths().iter().any(is_there) {
            return Err(CommandError::Syntax { refusal: Refusal::Incomplete, at: end });
        }
        let mut lines = expanded(&hit.text);
        if !negated {
            self.feature_is_on(place, &hit.text)?;
        }
        for path in place.paths() {
            for text in &lines {
                match (hit.kind, negated) {
                    (Kind::One, true) => {
                        let is_meant =
                            |line: &str| hit.is_same(line) && starts_with_words(line, text);
                        self.tree.take_where(&path, is_meant);
                    }
                    (Kind::One, false) => {
                        let key = Key::Words(hit.same_words());
                        self.tree.set_where(&path, text, key, |line| hit.is_same(line));
                    }
                    (Kind::Toggle, _) => self.tree.toggle(&path, text, negated),
                    (Kind::Each | Kind::Opens(_), true) => self.tree.take_away(&path, text),
                    (Kind::Each, false) => self.tree.add_entry(&path, text),
                    (Kind::Opens(_), false) => {}
                }
            }
        }
        if !negated {
            place.last = lines.pop().map(|line| (line, indent));
            self.open(place, Some(hit), indent);
        }
        Ok(String::new())
    }

    /// Entries of access lists that need a feature are typed after it (PI-CLI-033). Those of a configuration that was written
    /// before, however it comes here, turn it on themselves (PI-MIG-014).
    fn feature_is_on(&self, place: &Place, text: &str) -> Result<(), CommandError> {
        let asked = self.source == Source::Typed
            && self.settings.software.is_some_and(|own| own.has(FEATURE_FIRST));
        let section = place.modes.last().and_then(|mode| mode.lines.first());
        if !asked || !section.is_some_and(|section| is_access_list(section)) {
            return Ok(());
        }
        match Catalogue::nexus().feature_needed(&written_out(text)) {
            Some(feature) if !self.tree.has_feature(feature) => {
                Err(CommandError::Failed(format!("% Enable feature {feature} first")))
            }
            _ => Ok(()),
        }
    }

    /// `default`: as if the line, or what stands below it, had never been given.
    fn set_back(&mut self, place: &Place, hit: &Hit) {
        for path in place.paths() {
            for text in expanded(&hit.text) {
                match hit.kind {
                    Kind::Opens(_) => {
                        self.tree.clear_section(&[path.clone(), vec![text]].concat());
                    }
                    Kind::One => {
                        self.tree.take_where(&path, |line| hit.is_same(line));
                    }
                    Kind::Each | Kind::Toggle => {
                        let bare = |line: &str| line.strip_prefix("no ").unwrap_or(line) == text;
                        self.tree.take_where(&path, bare);
                    }
                }
            }
        }
    }

    /// Opens the mode of a line that opens one.
    fn open(&mut self, place: &mut Place, hit: Option<&Hit>, indent: usize) {
        let Some(Hit { kind: Kind::Opens(row), text, .. }) = hit else { return };
        let lines = expanded(text);
        for path in place.paths() {
            for line in &lines {
                self.tree.open_section(&[path.clone(), vec![line.clone()]].concat());
            }
        }
        place.last = None;
        place.modes.push(Mode { row: *row, lines, indent, child_indent: None });
    }

    fn keep_unknown(&mut self, place: &mut Place, words: &[&str], negated: bool, indent: usize) {
        let text = words.join(" ");
        for path in place.paths() {
            if !negated {
                self.tree.add(&path, &text);
            } else if !self.tree.take_named(&path, &text, words.len() > 1) {
                self.tree.add(&path, &format!("no {text}"));
            }
        }
        place.last = (!negated).then_some((text, indent));
    }

    /// Reads a whole text; the lines that are refused, with their numbers from 1.
    pub(crate) fn text(&mut self, text: &str) -> Refusals {
        let mut place = Place::global();
        let mut refused = Vec::new();
        self.tree.keeps_order = self.source == Source::File;
        self.has_indents = has_indents(text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, raw) in text.lines().enumerate() {
            let is_blank = raw.trim().is_empty() && !place.in_text();
            if is_blank && self.source == Source::File {
                self.tree.add_blank();
                continue;
            }
            let read = if raw.len() > LINE_BYTES_MAX {
                Err(CommandError::failed("% Line too long"))
            } else {
                self.line(&mut place, raw)
            };
            if let Err(why) = read {
                let shown: String = raw.trim().chars().take(SHOWN_LETTERS_MAX).collect();
                refused.push((index + 1, shown, why));
            }
        }
        if let Some(text) = place.text.take() {
            // It was cut off: it is ended, or it would take in what comes to stand behind it.
            let end = match text.end {
                End::Delimiter(delimiter) => delimiter.to_string(),
                End::Line(last) => last.to_owned(),
            };
            let line = format!("{}\n{end}", text.line);
            self.tree.set(&[], &line, words_of_text(&line));
        }
        self.tree.keeps_order = false;
        refused
    }
}

/// Whether what the settings of a mode say against a line holds: the words of Call Home are all there are, other modes know
/// more lines than mean something here.
fn is_final(place: &Place, refusal: Refusal) -> bool {
    let is_value = matches!(refusal, Refusal::Range { .. } | Refusal::Value(_));
    is_value || place.prompt() == Some("config-callhome")
}

/// Whether all lines that begin so mean something here: one that is no command is refused.
fn is_modelled(words: &[&str]) -> bool {
    match words {
        ["username", _, what, ..] => {
            !["passphrase", "sshkey", "keypair", "shelltype"].contains(what)
        }
        [first, ..] => ["license", "feature", "hostname", "username", "callhome"].contains(first),
        [] => false,
    }
}

/// Whether a line, whatever else it is, may hold a password in clear.
fn may_hold_password(words: &[&str]) -> bool {
    let begins = |typed: &str, word: &str| word.starts_with(&typed.to_ascii_lowercase());
    match words {
        [first, _, what, kind, ..] => {
            begins(first, "username") && begins(what, "password") && *kind != "5"
        }
        _ => false,
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
fn joined(words: &[&str], negated: bool) -> String {
    let text = words.join(" ");
    if negated { format!("no {text}") } else { text }
}

/// Whether lines of a file are indented; those of texts are not meant.
fn has_indents(text: &str) -> bool {
    let mut within: Option<End> = None;
    for line in text.lines() {
        match &within {
            Some(end) if end.is_in(line) => within = None,
            Some(_) => {}
            None if line.starts_with([' ', '\t']) && !line.trim().is_empty() => return true,
            None => within = begun_text(line).and_then(Result::ok).map(|text| text.end),
        }
    }
    false
}

fn note_indent(place: &mut Place, indent: usize) {
    if place.modes.len() > 1
        && let Some(mode) = place.modes.last_mut()
    {
        mode.child_indent.get_or_insert(indent);
    }
}

/// Whether a line names a banner and nothing of it.
fn is_bare_banner(content: &str) -> bool {
    let words: Vec<&str> = content.split_whitespace().collect();
    matches!(words[..], ["banner"] | ["banner", "motd" | "exec"])
}

/// A text of many lines that begins here, however short its words; or all of it, where it ends in the same line.
fn begun_text(content: &str) -> Option<Result<Text, String>> {
    let is = |typed: &str, word: &str| {
        typed == word || typed.len() > 1 && word.starts_with(&typed.to_ascii_lowercase())
    };
    let words: Vec<&str> = content.split_whitespace().collect();
    match words[..] {
        [banner, kind, ..] if is(banner, "banner") => {
            let kind = ["motd", "exec"].into_iter().find(|known| is(kind, known)).unwrap_or(kind);
            let after = |text: &str| {
                let (_, rest) = text.trim_start().split_once(char::is_whitespace)?;
                Some(rest.trim_start().to_owned())
            };
            let body = after(&after(content)?)?;
            let delimiter = body.chars().next()?;
            let line = format!("banner {kind} {body}");
            if body.matches(delimiter).count() > 1 {
                return Some(Err(line));
            }
            Some(Ok(Text { line, end: End::Delimiter(delimiter) }))
        }
        [scheduler, job, name, own]
            if is(scheduler, "scheduler") && is(job, "job") && is(name, "name") =>
        {
            let line = format!("scheduler job name {own}");
            Some(Ok(Text { line, end: End::Line("end-job") }))
        }
        _ => None,
    }
}

/// How many words of a text are its name: `banner motd`, `scheduler job name X`.
fn words_of_text(line: &str) -> usize {
    if line.starts_with("banner ") { 2 } else { 4 }
}

/// A line for each interface of a range, its name written out.
fn expanded(text: &str) -> Vec<String> {
    let Some(name) = text.strip_prefix("interface ") else { return vec![text.to_owned()] };
    let words: Vec<&str> = name.split_whitespace().collect();
    if words.first() == Some(&"breakout") {
        return vec![text.to_owned()];
    }
    // `interface port-channel 5` and `interface e 1/1` are one word.
    let name = match words[..] {
        [kind, number] if number.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{kind}{number}")
        }
        _ => words.join(" "),
    };
    let mut lines = Vec::new();
    let mut kind = String::new();
    for part in name.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if lines.len() > RANGE_MAX {
            return vec![text.to_owned()];
        }
        let part = if part.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{kind}{part}")
        } else {
            part.to_owned()
        };
        let part = interface_name(&part);
        kind = part.trim_end_matches(|c: char| !c.is_ascii_alphabetic()).to_owned();
        lines.extend(range(&part).iter().map(|name| format!("interface {name}")));
    }
    if lines.is_empty() {
        lines.push(text.to_owned());
    }
    lines
}

/// The names of a range such as `Ethernet1/1-4`.
fn range(name: &str) -> Vec<String> {
    const MAX: u32 = 512;
    let parts = name.rsplit_once('-').and_then(|(from, to)| {
        let head = from.trim_end_matches(|c: char| c.is_ascii_digit());
        let to = to.rsplit_once('/').map_or(to, |(_, to)| to);
        let (first, last) = (from[head.len()..].parse::<u32>().ok()?, to.trim().parse().ok()?);
        (first <= last && last - first < MAX).then_some((head, first, last))
    });
    match parts {
        Some((head, first, last)) => {
            (first..=last).map(|number| format!("{head}{number}")).collect()
        }
        None => vec![name.to_owned()],
    }
}

/// `e1/22` becomes `Ethernet1/22`; what is no interface stays as it is.
pub(crate) fn interface_name(typed: &str) -> String {
    const KINDS: &[&str] =
        &["Ethernet", "loopback", "mgmt", "nve", "port-channel", "Tunnel", "Vlan"];
    let digits = typed.find(|c: char| c.is_ascii_digit()).unwrap_or(typed.len());
    let (head, number) = typed.split_at(digits);
    let head = head.trim().to_ascii_lowercase();
    let kind = KINDS
        .iter()
        .find(|kind| !head.is_empty() && kind.to_ascii_lowercase().starts_with(head.as_str()));
    match kind {
        Some(kind) if !number.is_empty() => format!("{kind}{number}"),
        _ => typed.to_owned(),
    }
}

/// The lines `interface …` that a name or a range stands for.
pub(crate) fn interface_names(typed: &str) -> Vec<String> {
    expanded(&format!("interface {typed}"))
}

impl ConfigTree {
    /// A blank line of a file, where the one before is none.
    fn add_blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
            self.lines.push(Line::default());
        }
    }
}
