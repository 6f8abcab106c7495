//! A terminal session: editor, help, completion, pager.

use std::collections::VecDeque;

use crate::editor::{Editor, Key};

/// What a line led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What to show; lines end with `\n`.
    pub text: String,
    /// Whether the session ends.
    pub close: bool,
    /// Whether the text is shown without stopping at each page.
    pub no_more: bool,
    /// A question; the next line is its answer and is not echoed if `secret`.
    pub question: Option<String>,
    /// Whether the answer to the question is a secret.
    pub secret: bool,
    /// Whether the line held a secret and is not to be remembered.
    pub forget: bool,
    /// Whether the command goes on: [`Terminal::finish`] ends it.
    pub pending: bool,
}

/// Whoever understands the lines.
pub trait LineHandler {
    /// The prompt.
    fn prompt(&self) -> String;
    /// Carries out a line.
    fn execute(&mut self, line: &str) -> Reply;
    /// What `?` shows after `line`.
    fn help(&self, line: &str) -> Vec<(String, String)>;
    /// What the last word of `line` may become.
    fn complete(&self, line: &str) -> Vec<String>;
    /// Ctrl-Z: back to the top mode.
    fn end(&mut self);
    /// A question is not answered: somebody typed Ctrl-C or Ctrl-Z.
    fn cancel(&mut self) {}
    /// Lines on a page; 0 for no paging.
    fn page_lines(&self) -> usize;
    /// Whether what is typed is text of a person's own, such as a banner: `?` is a letter of it then.
    fn takes_text(&self) -> bool {
        false
    }
}

const MORE: &str = "--More--";

/// A session's state.
#[derive(Debug, Default)]
pub struct Terminal {
    editor: Editor,
    /// Lines that wait for a key.
    waiting: VecDeque<String>,
    question: Option<String>,
    closing: bool,
    /// While a command goes on: what is typed meanwhile.
    typed_ahead: Option<Vec<u8>>,
    /// Whether the last byte was a carriage return.
    after_cr: bool,
    closed: bool,
}

impl Terminal {
    /// What is shown at first: a text, if there is one, and the prompt on a line of its own.
    #[must_use]
    pub fn start(&self, text: &str, handler: &dyn LineHandler) -> Vec<u8> {
        let mut out = b"\r\n".to_vec();
        push_text(&mut out, text);
        out.extend_from_slice(handler.prompt().as_bytes());
        out
    }

    /// Nothing more will be typed: the session ends, once the command that goes on has ended.
    pub fn end_of_input(&mut self) {
        self.closing = true;
        self.closed = self.typed_ahead.is_none();
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// The lines entered so far.
    #[must_use]
    pub fn history(&self) -> &[String] {
        self.editor.history()
    }

    /// Whether a command goes on. What is typed meanwhile is kept: whoever brings it holds back what is more.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.typed_ahead.is_some()
    }

    /// Takes what was typed; returns what to show.
    pub fn feed(&mut self, bytes: &[u8], handler: &mut dyn LineHandler) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            if self.closed {
                break;
            }
            if let Some(ahead) = &mut self.typed_ahead {
                ahead.push(*byte);
                continue;
            }
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            if self.waiting.is_empty() || after_cr && *byte == b'\n' {
                if let Some(key) = self.editor.feed(*byte, &mut out) {
                    self.act(key, handler, &mut out);
                }
            } else {
                self.page_key(*byte, handler, &mut out);
            }
        }
        out
    }

    /// Ends a command that went on, or lets it ask something; what was typed meanwhile is taken now.
    pub fn finish(&mut self, reply: Reply, handler: &mut dyn LineHandler) -> Vec<u8> {
        let mut out = Vec::new();
        push_text(&mut out, &reply.text);
        let ahead = self.typed_ahead.take().unwrap_or_default();
        self.question = reply.question;
        self.editor.secret = reply.secret;
        self.after_output(handler, &mut out);
        out.extend(self.feed(&ahead, handler));
        out
    }

    /// What a command that goes on shows meanwhile.
    #[must_use]
    pub fn shown_meanwhile(&self, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_text(&mut out, text);
        out
    }

    /// Shows a message of the system between what is typed.
    #[must_use]
    pub fn notify(&self, text: &str, handler: &dyn LineHandler) -> Vec<u8> {
        let mut out = b"\r\n".to_vec();
        push_text(&mut out, text);
        if !text.ends_with('\n') {
            out.extend_from_slice(b"\r\n");
        }
        if self.waiting.is_empty() && !self.closed && self.typed_ahead.is_none() {
            self.show_prompt(handler, &mut out);
            if !self.editor.secret {
                out.extend_from_slice(self.editor.whole().as_bytes());
            }
        }
        out
    }

    fn show_prompt(&self, handler: &dyn LineHandler, out: &mut Vec<u8>) {
        match &self.question {
            Some(question) => out.extend_from_slice(question.as_bytes()),
            None => out.extend_from_slice(handler.prompt().as_bytes()),
        }
    }

    fn act(&mut self, key: Key, handler: &mut dyn LineHandler, out: &mut Vec<u8>) {
        match key {
            Key::Line(line) => {
                self.question = None;
                self.editor.secret = false;
                let reply = handler.execute(&line);
                if reply.forget {
                    self.editor.forget_last();
                }
                self.show(reply, handler, out);
            }
            Key::Help if self.question.is_none() && !handler.takes_text() => {
                out.extend_from_slice(b"?\r\n");
                let rows = handler.help(&self.editor.text());
                let width = rows.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
                for (word, help) in rows {
                    push_text(out, format!("  {word:width$}  {help}").trim_end());
                    out.extend_from_slice(b"\r\n");
                }
                self.show_prompt(handler, out);
                out.extend_from_slice(self.editor.whole().as_bytes());
            }
            Key::Help => self.editor.type_text("?", out),
            Key::Complete if self.question.is_none() => self.complete(handler, out),
            Key::Complete => {}
            Key::Interrupt => {
                self.leave_question(handler);
                self.show_prompt(handler, out);
            }
            Key::End => {
                self.leave_question(handler);
                handler.end();
                self.show_prompt(handler, out);
            }
            Key::EndOfFile => self.closed = true,
        }
    }

    fn leave_question(&mut self, handler: &mut dyn LineHandler) {
        if self.question.take().is_some() {
            handler.cancel();
        }
        self.editor.secret = false;
    }

    fn complete(&mut self, handler: &dyn LineHandler, out: &mut Vec<u8>) {
        let line = self.editor.text();
        let word = line.rsplit(char::is_whitespace).next().unwrap_or_default();
        let choices = handler.complete(&line);
        let Some(first) = choices.first() else { return };
        let common = choices.iter().fold(first.as_str(), |common, choice| {
            let same = common.bytes().zip(choice.bytes()).take_while(|(a, b)| a == b).count();
            common.get(..same).unwrap_or_default()
        });
        if let Some(rest) = common.get(word.len()..)
            && common.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        {
            let end = if choices.len() == 1 { " " } else { "" };
            self.editor.type_text(&format!("{rest}{end}"), out);
        }
    }

    fn show(&mut self, reply: Reply, handler: &dyn LineHandler, out: &mut Vec<u8>) {
        self.closing = reply.close;
        self.question = reply.question;
        self.typed_ahead = reply.pending.then(Vec::new);
        self.editor.secret = reply.secret;
        let lines = handler.page_lines();
        if lines == 0 || reply.no_more {
            push_text(out, &reply.text);
        } else {
            self.waiting = reply.text.lines().map(str::to_owned).collect();
            self.page(lines.max(2) - 1, out);
        }
        self.after_output(handler, out);
    }

    fn page(&mut self, lines: usize, out: &mut Vec<u8>) {
        for _ in 0..lines {
            let Some(line) = self.waiting.pop_front() else { return };
            push_text(out, &line);
            out.extend_from_slice(b"\r\n");
        }
        if !self.waiting.is_empty() {
            out.extend_from_slice(MORE.as_bytes());
        }
    }

    fn page_key(&mut self, byte: u8, handler: &dyn LineHandler, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r        \r");
        match byte {
            b' ' => self.page(handler.page_lines().max(2) - 1, out),
            b'\r' | b'\n' => self.page(1, out),
            b'q' | b'Q' | 0x03 => self.waiting.clear(),
            _ => out.extend_from_slice(MORE.as_bytes()),
        }
        self.after_output(handler, out);
    }

    fn after_output(&mut self, handler: &dyn LineHandler, out: &mut Vec<u8>) {
        if !self.waiting.is_empty() || self.typed_ahead.is_some() {
            return;
        }
        if self.closing {
            self.closed = true;
        } else {
            self.show_prompt(handler, out);
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::{LineHandler, Reply, Terminal};

    #[derive(Default)]
    struct Echo {
        lines: Vec<String>,
        page: usize,
    }

    impl LineHandler for Echo {
        fn prompt(&self) -> String {
            "switch# ".to_owned()
        }
        fn execute(&mut self, line: &str) -> Reply {
            self.lines.push(line.to_owned());
            match line {
                "exit" => Reply { close: true, ..Reply::default() },
                "ask" => Reply {
                    question: Some("Password: ".to_owned()),
                    secret: true,
                    ..Reply::default()
                },
                "wait" => Reply { pending: true, ..Reply::default() },
                "many" => Reply { text: "1\n2\n3\n4\n5\n".to_owned(), ..Reply::default() },
                _ => Reply { text: format!("<{line}>\n"), ..Reply::default() },
            }
        }
        fn help(&self, _: &str) -> Vec<(String, String)> {
            vec![("show".to_owned(), "Show things".to_owned())]
        }
        fn complete(&self, line: &str) -> Vec<String> {
            ["show", "shutdown"]
                .iter()
                .filter(|w| w.starts_with(line))
                .map(|w| (*w).into())
                .collect()
        }
        fn end(&mut self) {}
        fn page_lines(&self) -> usize {
            self.page
        }
    }

    fn run(bytes: &[u8]) -> (String, Echo) {
        let (mut terminal, mut echo) = (Terminal::default(), Echo::default());
        let out = terminal.feed(bytes, &mut echo);
        (String::from_utf8(out).unwrap(), echo)
    }

    #[test]
    fn what_is_typed_is_echoed_unbroken() {
        let (out, echo) = run(b"terminal width 511\n\n");
        assert_eq!(out, "terminal width 511\r\n<terminal width 511>\r\nswitch# \r\n<>\r\nswitch# ");
        assert_eq!(echo.lines, ["terminal width 511", ""]);
        assert_eq!(run(b"a\r\nb\r\n").1.lines, ["a", "b"]);
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(run(b"abx\x7fc\n").1.lines, ["abc"]);
        assert_eq!(run(b"bc\x01a\x05d\n").1.lines, ["abcd"]);
        assert_eq!(run(b"ac\x1b[Db\n").1.lines, ["abc"]);
        assert_eq!(run(b"one two\x17three\n").1.lines, ["one three"]);
        assert_eq!(run(b"gone\x15kept\n").1.lines, ["kept"]);
        assert_eq!(run(b"first\n\x1b[A\n").1.lines, ["first", "first"]);
        assert_eq!(run(b"ab\x03cd\n").1.lines, ["cd"]);
        assert_eq!(run("gr\u{fc}n\n".as_bytes()).1.lines, ["gr\u{fc}n"]);
    }

    #[test]
    fn help_and_tab_leave_the_line_as_it_is() {
        let (out, echo) = run(b"sh?ow\n");
        assert!(out.starts_with("sh?\r\n  show  Show things\r\nswitch# show\r\n"), "{out}");
        assert_eq!(echo.lines, ["show"]);
        assert_eq!(run(b"sho\t\n").1.lines, ["show "]);
        assert_eq!(run(b"s\t\n").1.lines, ["sh"]);
    }

    #[test]
    fn pasted_blanks_of_any_kind_do_no_harm() {
        assert_eq!(run("show\u{a0}\t?\n".as_bytes()).1.lines, ["show\u{a0}"]);
    }

    #[test]
    fn a_secret_is_not_echoed_and_not_remembered() {
        let (out, echo) = run(b"ask\nhunter2\n\x1b[A\n");
        assert!(!out.contains("hunter2\r"), "{out}");
        assert_eq!(echo.lines, ["ask", "hunter2", "ask"]);
    }

    #[test]
    fn long_output_stops_at_each_page() {
        let (mut terminal, mut echo) = (Terminal::default(), Echo { page: 3, ..Echo::default() });
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(text(terminal.feed(b"many\n", &mut echo)), "many\r\n1\r\n2\r\n--More--");
        assert!(text(terminal.feed(b"\n", &mut echo)).ends_with("3\r\n--More--"));
        assert!(text(terminal.feed(b" ", &mut echo)).ends_with("4\r\n5\r\nswitch# "));
        terminal.feed(b"many\n", &mut echo);
        assert!(text(terminal.feed(b"q", &mut echo)).ends_with("switch# "));
        assert!(!terminal.closed());
        terminal.feed(b"exit\n", &mut echo);
        assert!(terminal.closed());
    }

    #[test]
    fn a_session_ends_with_its_input_and_not_before_the_command_that_goes_on() {
        let (mut terminal, mut echo) = (Terminal::default(), Echo::default());
        assert_eq!(terminal.start("hi\n", &echo), b"\r\nhi\r\nswitch# ");
        terminal.end_of_input();
        assert!(terminal.closed());
        let mut terminal = Terminal::default();
        terminal.feed(b"wait\nnext\n", &mut echo);
        terminal.end_of_input();
        assert!(!terminal.closed());
        let done = Reply { text: "done\n".to_owned(), ..Reply::default() };
        terminal.finish(done, &mut echo);
        assert!(terminal.closed());
    }

    #[test]
    fn a_message_comes_between_prompt_and_prompt() {
        let (mut terminal, mut echo) = (Terminal::default(), Echo::default());
        terminal.feed(b"sho", &mut echo);
        let out = String::from_utf8(terminal.notify("%X-6-Y: z", &echo)).unwrap();
        assert_eq!(out, "\r\n%X-6-Y: z\r\nswitch# sho");
    }
}
