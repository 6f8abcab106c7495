//! Numbers that name rows, each kind with a type of its own.

use crate::Value;

/// The number that names a row of one table. A type for each keeps an account from being taken for a device.
pub trait Id: Copy {
    /// The row with this number.
    fn from_number(number: i64) -> Self;
    /// Its number.
    fn number(self) -> i64;
}

impl Id for i64 {
    fn from_number(number: i64) -> Self {
        number
    }

    fn number(self) -> i64 {
        self
    }
}

impl<T: Id> From<T> for Value<'_> {
    fn from(id: T) -> Self {
        Self::Int(id.number())
    }
}

impl<T: Id> From<Option<T>> for Value<'_> {
    fn from(id: Option<T>) -> Self {
        id.map_or(Self::NullInt, |id| Self::Int(id.number()))
    }
}

/// Makes a type for the number of each named thing: `id_types! { /// A tenant's number. TenantId }`. The crate that
/// calls it has serde and schemars.
#[macro_export]
macro_rules! id_types {
    ($($(#[$about:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$about])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $crate::Id for $name {
            fn from_number(number: i64) -> Self {
                Self(number)
            }

            fn number(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+ };
}
