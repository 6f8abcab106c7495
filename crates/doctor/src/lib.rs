//! What is wrong with licensing on a product instance: faults by name, each with the line that shows it and the commands that mend
//! it (chapter 7 of the guide; TSHOOT-001 to 005).
//!
//! A *sign* is a fault that something points to. Signs come from the running system, which knows kinds, or from what devices print
//! ([`read`]), where words are all there is ([`words`]). [`diagnose`] takes what follows from something else out of them.

#![warn(missing_docs)]

mod fault;
mod finding;
mod text;
pub mod words;

pub use fault::{Area, Fault};
pub use finding::{Finding, Sign, diagnose, render};
pub use text::{Platform, Reading, read};
