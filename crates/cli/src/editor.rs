//! Line editing on bytes.
//!
//! What is typed is echoed as it is, character by character, so that a program at the other end finds its
//! command unbroken; the line is redrawn only for editing keys.

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A line was entered.
    Line(String),
    /// `?` after what has been typed.
    Help,
    /// Tab after what has been typed.
    Complete,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    End,
    /// Ctrl-D on an empty line.
    EndOfFile,
}

/// The longest line, in characters; more is not taken.
const LINE_CHARS_MAX: usize = 4_096;
const HISTORY_MAX: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    /// Place in the history while walking it.
    place: usize,
    /// Bytes of an unfinished escape sequence or character.
    pending: Vec<u8>,
    after_return: bool,
    /// Whether what is typed is kept off the screen.
    pub secret: bool,
}

impl Editor {
    pub(crate) fn text(&self) -> String {
        self.line[..self.cursor].iter().collect()
    }

    pub(crate) fn whole(&self) -> String {
        self.line.iter().collect()
    }

    pub(crate) fn history(&self) -> &[String] {
        &self.history
    }

    /// Takes one byte; echoes into `out`.
    pub(crate) fn feed(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<Key> {
        if !self.pending.is_empty() {
            self.pending.push(byte);
            self.finish_pending(out);
            return None;
        }
        let after_return = std::mem::take(&mut self.after_return);
        match byte {
            b'\n' if after_return => None,
            b'\r' | b'\n' => {
                self.after_return = byte == b'\r';
                out.extend_from_slice(b"\r\n");
                Some(Key::Line(self.take_line()))
            }
            0x1b | 0xc0.. => {
                self.pending.push(byte);
                None
            }
            0x7f | 0x08 => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.line.remove(self.cursor);
                    self.echo(out, b"\x08");
                    self.redraw_rest(out, 1);
                }
                None
            }
            b'\t' => (!self.secret).then_some(Key::Complete),
            b'?' if !self.secret => Some(Key::Help),
            0x03 => {
                out.extend_from_slice(b"^C\r\n");
                self.clear();
                Some(Key::Interrupt)
            }
            0x1a => {
                out.extend_from_slice(b"^Z\r\n");
                self.clear();
                Some(Key::End)
            }
            0x04 if self.line.is_empty() => Some(Key::EndOfFile),
            _ => {
                self.control(byte, out);
                None
            }
        }
    }

    fn control(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            0x01 => self.move_to(0, out),
            0x05 => self.move_to(self.line.len(), out),
            0x02 => self.move_to(self.cursor.saturating_sub(1), out),
            0x06 => self.move_to((self.cursor + 1).min(self.line.len()), out),
            0x04 if self.cursor < self.line.len() => {
                self.line.remove(self.cursor);
                self.redraw_rest(out, 1);
            }
            0x0b => {
                let gone = self.line.len() - self.cursor;
                self.line.truncate(self.cursor);
                self.redraw_rest(out, gone);
            }
            0x15 => self.replace("", out),
            0x17 => self.erase_word(out),
            0x10 => self.walk_history(false, out),
            0x0e => self.walk_history(true, out),
            0x20..=0x7e => self.insert(char::from(byte), out),
            _ => {}
        }
    }

    fn erase_word(&mut self, out: &mut Vec<u8>) {
        let mut start = self.cursor;
        while start > 0 && self.line[start - 1].is_whitespace() {
            start -= 1;
        }
        while start > 0 && !self.line[start - 1].is_whitespace() {
            start -= 1;
        }
        let gone = self.cursor - start;
        self.move_to(start, out);
        self.line.drain(start..start + gone);
        self.redraw_rest(out, gone);
    }

    fn finish_pending(&mut self, out: &mut Vec<u8>) {
        if self.pending[0] != 0x1b {
            if let Ok(text) = std::str::from_utf8(&self.pending) {
                let typed: Vec<char> = text.chars().collect();
                self.pending.clear();
                typed.into_iter().for_each(|c| self.insert(c, out));
            } else if self.pending.len() >= 4 {
                self.pending.clear();
            }
            return;
        }
        let done = match self.pending.as_slice() {
            [_, b'[' | b'O'] => false,
            [_, b'[', middle @ .., last] => (0x40..=0x7e).contains(last) || middle.len() > 8,
            _ => true,
        };
        if !done {
            return;
        }
        let sequence = std::mem::take(&mut self.pending);
        match sequence.as_slice() {
            [_, _, b'A'] => self.walk_history(false, out),
            [_, _, b'B'] => self.walk_history(true, out),
            [_, _, b'C'] => self.control(0x06, out),
            [_, _, b'D'] => self.control(0x02, out),
            [_, _, b'H'] => self.control(0x01, out),
            [_, _, b'F'] => self.control(0x05, out),
            [_, _, b'3', b'~'] => self.control(0x04, out),
            _ => {}
        }
    }

    fn insert(&mut self, c: char, out: &mut Vec<u8>) {
        if self.line.len() >= LINE_CHARS_MAX || c.is_control() {
            return;
        }
        self.line.insert(self.cursor, c);
        self.cursor += 1;
        let mut bytes = [0; 4];
        self.echo(out, c.encode_utf8(&mut bytes).as_bytes());
        self.redraw_rest(out, 0);
    }

    fn echo(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        if !self.secret {
            out.extend_from_slice(bytes);
        }
    }

    /// Draws what stands right of the cursor, blanks what is gone, and comes back.
    fn redraw_rest(&self, out: &mut Vec<u8>, gone: usize) {
        let rest: String = self.line[self.cursor..].iter().collect();
        if self.secret || (rest.is_empty() && gone == 0) {
            return;
        }
        out.extend_from_slice(rest.as_bytes());
        out.extend(std::iter::repeat_n(b' ', gone));
        let back = self.line.len() - self.cursor + gone;
        out.extend(std::iter::repeat_n(0x08, back));
    }

    fn move_to(&mut self, place: usize, out: &mut Vec<u8>) {
        if !self.secret {
            if place < self.cursor {
                out.extend(std::iter::repeat_n(0x08, self.cursor - place));
            } else {
                let passed: String = self.line[self.cursor..place].iter().collect();
                out.extend_from_slice(passed.as_bytes());
            }
        }
        self.cursor = place;
    }

    /// Puts another text in place of the line.
    fn replace(&mut self, text: &str, out: &mut Vec<u8>) {
        self.move_to(0, out);
        let gone = self.line.len();
        self.line = text.chars().collect();
        self.redraw_rest(out, gone.saturating_sub(self.line.len()));
        self.move_to(self.line.len(), out);
    }

    /// Adds text at the cursor, as if typed.
    pub(crate) fn type_text(&mut self, text: &str, out: &mut Vec<u8>) {
        text.chars().for_each(|c| self.insert(c, out));
    }

    fn walk_history(&mut self, forward: bool, out: &mut Vec<u8>) {
        if self.secret {
            return;
        }
        let place = if forward {
            (self.place + 1).min(self.history.len())
        } else {
            self.place.saturating_sub(1)
        };
        self.place = place;
        let text = self.history.get(place).cloned().unwrap_or_default();
        self.replace(&text, out);
    }

    /// Takes the line entered last out of the history.
    pub(crate) fn forget_last(&mut self) {
        self.history.pop();
        self.place = self.history.len();
    }

    fn clear(&mut self) {
        self.line.clear();
        self.cursor = 0;
        self.place = self.history.len();
    }

    fn take_line(&mut self) -> String {
        let line = self.whole();
        if !self.secret && !line.trim().is_empty() && self.history.last() != Some(&line) {
            if self.history.len() == HISTORY_MAX {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        self.clear();
        line
    }
}
