//! The one reader of configuration: typed, pasted, copied or loaded, a line means the same.
//!
//! A line is tried in the present mode, then in each mode above; the first that knows it is where it belongs. Indentation is
//! a hint: where a section was indented, a line further out leaves it. Empty lines and comments end nothing. A line that no
//! mode knows stays where it is, if that is a submode; at the top it is refused when typed, and kept in a file.

use rumline_catalogue::Catalogue;
use rumline_cli::{Parsed, Refusal};

use super::modes::{self, Hit, Kind};
use super::names::expanded;
use super::place::{Grammar, Mode, Place, note_indent};
use super::setting::{Put, Settings};
use super::text::{begun_text, has_indents, is_bare_banner, words_of_text};
use super::{ConfigTree, Key, Line, is_access_list, starts_with_words, written_out};
use crate::answer::CommandError;

/// The longest banner or job that is kept; of a longer one lines are left out.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The gate of releases that want a feature before what it is for.
const FEATURE_FIRST: &str = "tap-aggregation before redirect";
/// The longest line that is read, and what is shown of one that is refused.
const LINE_BYTES_MAX: usize = 64 << 10;
const SHOWN_LETTERS_MAX: usize = 200;
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
        if self.source != Source::File {
            let is_outer = found.as_ref().is_none_or(|(depth, _)| *depth == 0);
            let is_exact = found.as_ref().is_some_and(|(_, hit)| hit.text == words.join(" "));
            if is_outer
                && !is_exact
                && let Some(told) = self.meant_here(place, body, &words, negated, offset)
            {
                return told;
            }
        }
        match found {
            Some((depth, hit)) if depth > 0 => {
                place.modes.truncate(depth + 1);
                note_indent(place, indent);
                let own = self.grammar.of_mode(place.prompt());
                let full: Vec<&str> = hit.text.split(' ').collect();
                match own.map(|own| own.match_line(body, negated)) {
                    Some(Parsed::Command(command)) => {
                        return self.settings.apply(self.tree, &place.paths(), &command, negated);
                    }
                    Some(Parsed::Refused { refusal, at })
                        if self.source != Source::File
                            && (is_final(place, refusal)
                                || !negated
                                    && self.grammar.begins_setting_of(place.prompt(), &full)) =>
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

    /// An abbreviated line that is meant in the mode it stands in, whatever it could mean further out: a setting of that mode,
    /// or something ambiguous.
    fn meant_here(
        &mut self,
        place: &Place,
        body: &str,
        words: &[&str],
        negated: bool,
        offset: usize,
    ) -> Option<Result<String, CommandError>> {
        if place.modes.len() == 1 {
            return None;
        }
        let own = self.grammar.of_mode(place.prompt()).map(|own| own.match_line(body, negated));
        match own {
            Some(Parsed::Command(command)) => {
                return Some(self.settings.apply(self.tree, &place.paths(), &command, negated));
            }
            Some(Parsed::Refused { refusal, at })
                if self.grammar.begins_setting_of(place.prompt(), words) =>
            {
                return Some(Err(CommandError::Syntax { refusal, at: offset + at }));
            }
            _ => {}
        }
        let word = place.ambiguous_word(words)?;
        let before: usize = words.iter().take(word).map(|word| word.len() + 1).sum();
        let at = offset + (body.len() - body.trim_start().len()) + before;
        Some(Err(CommandError::Syntax { refusal: Refusal::Ambiguous, at }))
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
                    if let [word] = words[..]
                        && modes::all()[modes::GLOBAL].begins_several(word)
                    {
                        let refusal = Refusal::Ambiguous;
                        return Err(CommandError::Syntax { refusal, at: offset });
                    }
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
            let line = text.closed();
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

impl ConfigTree {
    /// A blank line of a file, where the one before is none.
    fn add_blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.text.is_empty()) {
            self.lines.push(Line::default());
        }
    }
}
