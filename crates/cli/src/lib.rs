//! A network operating system's command line without I/O.
//!
//! Commands are data: a [`Tree`] read from text, from which parsing, `?`, Tab and the reference document come.
//! A [`Terminal`] turns bytes into lines and answers into bytes; over SSH there is no tty, so it edits on bytes.

#![warn(missing_docs)]

mod editor;
mod filter;
mod forms;
mod options;
mod parts;
mod pipe;
mod terminal;
mod token;
mod tree;
mod value;

pub use forms::pipe_help;
pub use parts::{command_of, split_commands};
pub use pipe::{Pipe, PipeError, Pipeline, Redirect, Rendering};
pub use terminal::{LineHandler, Reply, Terminal};
pub use token::Refusal;
pub use tree::{Argument, Described, Matched, Parsed, Tree, TreeError};
pub use value::{Fields, Value};
