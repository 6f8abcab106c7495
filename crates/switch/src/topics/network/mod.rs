//! The network as the configuration has it: the way out.

mod path;

pub(crate) use path::WayLines;

pub(crate) use path::MANAGEMENT;
pub use path::{NoPath, Path, Proxy, SourceInterface, Tls, Way};
