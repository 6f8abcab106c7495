//! Refusals are answers; faults may pass.

use rumline_protocol::{ArchiveError, BundleError, PiecesError};
use rumline_store::{FromStore, StoreError};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not know it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The request cannot be right.
    #[error("{0}")]
    Invalid(String),
    /// One field of the request cannot be right.
    #[error("{text}")]
    Field {
        /// As it is called in the request.
        field: &'static str,
        /// Whether it is a parameter of a query, rather than a field of a body.
        in_query: bool,
        /// What is wrong with it, and what it takes.
        text: String,
    },
    /// The request was right, but not now.
    #[error("{0}")]
    Conflict(String),
    /// Nobody is logged in.
    #[error("log in first")]
    Unauthenticated,
    /// Whoever is logged in may not do this.
    #[error("your role does not allow this")]
    Forbidden,
    /// The password was right, and there is a second factor.
    #[error("there is a second factor: send the code that your app shows, or a recovery code, too")]
    CodeMissing,
    /// The code of a second factor is none, or was used.
    #[error(
        "the code is wrong, or was used before: each counts once, so wait for the next one, and see \
         that the clock of the device that shows it is right"
    )]
    CodeWrong,
    /// The secret of a program was right, and has ended.
    #[error("the secret of this program has ended: whoever administers it renews it")]
    SecretEnded,
    /// An API token was shown where somebody has to log in.
    #[error("an API token does not do this: log in")]
    OnlyLoggedIn,
    /// Too many requests.
    #[error("the limit of requests is reached, try again in {retry_after_seconds} seconds")]
    TooManyRequests {
        /// When it makes sense to try again.
        retry_after_seconds: i64,
    },
    /// More than is taken.
    #[error("the file has more than {bytes_max} bytes")]
    TooLarge {
        /// The most that is taken.
        bytes_max: u64,
    },
    /// What was to be handed over could not be written.
    #[error("the file could not be read or written: {0}")]
    Unwritten(std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FromStore for Error {
    fn as_store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotFound(_)
            | Self::Invalid(_)
            | Self::Field { .. }
            | Self::Conflict(_)
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::CodeMissing
            | Self::CodeWrong
            | Self::SecretEnded
            | Self::OnlyLoggedIn
            | Self::TooManyRequests { .. }
            | Self::TooLarge { .. }
            | Self::Unwritten(_) => None,
        }
    }
}

impl Error {
    /// A refusal of what one field of a body says.
    pub fn field(field: &'static str, text: impl Into<String>) -> Self {
        Self::Field { field, in_query: false, text: text.into() }
    }

    /// A refusal of what one parameter of a query says.
    pub fn parameter(field: &'static str, text: impl Into<String>) -> Self {
        Self::Field { field, in_query: true, text: text.into() }
    }

    /// A refusal with this text.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<PiecesError> for Error {
    fn from(error: PiecesError) -> Self {
        match error {
            PiecesError::Unread(error) => Self::Unwritten(error),
            PiecesError::Document(error) => Self::Invalid(error.to_string()),
        }
    }
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::Invalid(error.to_string())
    }
}
