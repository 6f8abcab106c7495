//! What two supervisors share, and who of them may speak. Pure: the process around them and the simulator run the same.

mod copied;
mod standing;

pub use copied::{Change, ChangeKind, Copied, Mirror, Place, SharedMirror, apply};
pub use standing::{Mark, Missing, Standing};
