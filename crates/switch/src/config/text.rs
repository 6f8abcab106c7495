//! Texts of many lines: banners up to their delimiter, scheduler jobs up to their last line.

/// A text of many lines that is being read, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) line: String,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A character.
    Delimiter(char),
    /// A line of its own.
    Line(&'static str),
}

impl Text {
    /// The text with its end, which it lacks: it would take in what comes to stand behind it.
    pub(super) fn closed(self) -> String {
        let end = match self.end {
            End::Delimiter(delimiter) => delimiter.to_string(),
            End::Line(last) => last.to_owned(),
        };
        format!("{}\n{end}", self.line)
    }
}

impl End {
    pub(super) fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Delimiter(delimiter) => line.contains(*delimiter),
            Self::Line(last) => line.trim() == *last,
        }
    }
}

/// Whether lines of a file are indented; those of texts are not meant.
pub(super) fn has_indents(text: &str) -> bool {
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

/// Whether a line names a banner and nothing of it.
pub(super) fn is_bare_banner(content: &str) -> bool {
    let words: Vec<&str> = content.split_whitespace().collect();
    matches!(words[..], ["banner"] | ["banner", "motd" | "exec"])
}

/// A text of many lines that begins here, however short its words; or all of it, where it ends in the same line.
pub(super) fn begun_text(content: &str) -> Option<Result<Text, String>> {
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
pub(super) fn words_of_text(line: &str) -> usize {
    if line.starts_with("banner ") { 2 } else { 4 }
}
