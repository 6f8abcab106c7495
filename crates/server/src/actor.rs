//! Who acts: a person, a device, a collector, or the server itself.

use std::fmt;

/// Whoever does something that leaves a line where people look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    name: String,
    /// Where it acts from, as far as that is known.
    address: Option<String>,
    /// Why it acts, if it said so.
    reason: Option<String>,
    /// The API token by which it acts, if it is one.
    api_token: Option<String>,
    /// Whether it is a person, or a program that logs in as people do.
    is_person: bool,
}

impl Actor {
    fn named(name: String) -> Self {
        Self { name, address: None, reason: None, api_token: None, is_person: false }
    }

    /// A person, by login.
    #[must_use]
    pub fn person(login: &str) -> Self {
        Self { is_person: true, ..Self::named(login.to_owned()) }
    }

    /// A collector, by kind and name.
    #[must_use]
    pub fn collector(title: &str) -> Self {
        Self::named(title.to_owned())
    }

    /// A product instance.
    #[must_use]
    pub fn device(udi: &rumline_protocol::Udi) -> Self {
        Self::named(udi.to_string())
    }

    /// The server itself.
    #[must_use]
    pub fn system() -> Self {
        Self::named("system".to_owned())
    }

    /// The same, acting from this address.
    #[must_use]
    pub fn at(mut self, address: Option<&str>) -> Self {
        self.address = address.map(str::to_owned);
        self
    }

    /// The same, acting for this reason.
    #[must_use]
    pub fn because(mut self, reason: Option<&str>) -> Self {
        self.reason = reason.map(str::to_owned);
        self
    }

    /// The same, acting by an API token of this name.
    #[must_use]
    pub fn by_api_token(mut self, name: Option<&str>) -> Self {
        self.api_token = name.map(str::to_owned);
        self
    }

    /// The API token by which it acts.
    #[must_use]
    pub fn api_token(&self) -> Option<&str> {
        self.api_token.as_deref()
    }

    /// Why it acts.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Whether it is a person, or a program that logs in as people do.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.is_person
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it acts from.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
