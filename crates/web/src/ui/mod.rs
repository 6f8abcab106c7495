//! What pages are made of: a page is a type that says where it stands, who may see it, what it reads and how that looks;
//! what is done from it are posts. One handler reads, shows, refuses and comes back, for all of them.

mod ask;
pub(crate) mod form;
mod handler;
pub(crate) mod table;

use maud::Markup;
use rumline_server::Error;

use crate::page::Tab;
use crate::site::{Access, Route, Site};

pub(crate) use ask::Ask;

/// A page. Its value is what was read to show it.
pub(crate) trait Page<S: Site>: Send + Sized + 'static {
    /// Its address, as a table of routes says it.
    const AT: &'static str;
    /// Who may see it.
    const ACCESS: Access;
    /// Whether it is for those too who may act in parts of the scope only: it shows them these alone.
    const IN_PARTS: bool = false;

    /// Reads what it shows, on a thread that may block.
    fn load(site: &S, ask: &Ask) -> Result<Self, Error>;
    /// Its title.
    fn title(&self) -> String;
    /// The pages beside it, with the one it stands under.
    fn tabs(&self, site: &S, ask: &Ask) -> Vec<Tab>;
    /// What stands in it.
    fn show(&self, site: &S, ask: &Ask) -> Markup;

    /// The row of this page in a table of routes.
    fn route() -> Route<S> {
        handler::page_route::<S, Self>()
    }
}

/// What a form does.
pub(crate) trait Post<S: Site>: Send + 'static {
    /// The page that its form stands on: where what was typed comes back with what is wrong.
    type Page: Page<S>;
    /// Its address.
    const AT: &'static str;
    /// Who may do it.
    const ACCESS: Access;
    /// Whether it takes the whole scope, though its address names one thing of it.
    const TAKES_ALL: bool = false;
    /// The fields that a refusal may be about, each with the words that such a refusal holds.
    const BLAMES: &'static [(&'static str, &'static str)] = &[];

    /// Does it, on a thread that may block.
    fn act(site: &S, ask: &Ask) -> Result<Done, Error>;

    /// The row of this form in a table of routes.
    fn route() -> Route<S>
    where
        Self: Sized,
    {
        handler::post_route::<S, Self>()
    }
}

/// What was done: where it goes on, and what is said there.
pub(crate) struct Done {
    pub to: String,
    pub said: String,
}

impl Done {
    pub(crate) fn at(to: String, said: impl Into<String>) -> Self {
        Self { to, said: said.into() }
    }
}
