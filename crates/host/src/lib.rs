//! The process around switches: what they want done is done here, and what comes to them comes through here. A host has one
//! loop, so that a switch is asked one thing at a time; sessions and requests wait in line, and none of them long.

#![warn(missing_docs)]

pub mod command;
mod factory;
mod files;
mod host;
pub mod log;
mod pair;
mod process;
mod tables;
mod web;

pub use factory::{Factory, Order};
pub use host::{Host, Setup, run, run_supervisor};
pub(crate) use pair::folder_of_supervisor;
pub use pair::{PairSetup, run_witness};
pub use tables::Tables;
