//! What pages are made of: a page is a type that says where it stands, who may see it, what it reads and how that looks;
//! what is done from it are posts, and files that are brought. One handler reads, shows, refuses and comes back, for all.

mod ask;
pub(crate) mod chart;
pub(crate) mod form;
mod handler;
mod seen;
pub(crate) mod table;
mod words;

use std::future::Future;
use std::sync::Arc;

use maud::{Markup, html};
use rumline_server::Error;

use crate::page::Tab;
use crate::problem::Problem;
use crate::site::{Access, Route, Site, blocking};
use crate::spool::Incoming;

pub(crate) use ask::Ask;
pub(crate) use seen::{Changes, Seen};

/// What stands around a page.
#[derive(Default)]
pub(crate) struct Around {
    /// Its title.
    pub title: String,
    /// The pages beside it, with the one it stands under.
    pub tabs: Vec<Tab>,
    /// What stands at the top right.
    pub corner: Option<Markup>,
}

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
    /// The same of a page that asks others first: they are waited for without a thread.
    fn read(site: S, ask: Arc<Ask>) -> impl Future<Output = Result<Self, Problem>> + Send {
        blocking(move || Self::load(&site, &ask))
    }
    /// What stands around it.
    fn around(&self, site: &S, ask: &Ask) -> Around;
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
    /// What it changes of what is there; two people in one form do not undo each other's work.
    const CHANGES: Changes<Self::Page> = None;
    /// The fields that a refusal may be about, each with the words that such a refusal holds.
    const BLAMES: &'static [(&'static str, &'static str)] = &[];
    /// Whether a password is hashed: few are at a time, and the others wait without a thread.
    const HASHES: bool = false;

    /// Does it, on a thread that may block.
    fn act(site: &S, ask: &Ask) -> Result<Done, Problem>;

    /// The row of this form in a table of routes.
    fn route() -> Route<S>
    where
        Self: Sized,
    {
        handler::post_route::<S, Self>()
    }
}

/// What a form does that waits for others, or for a gate: it holds no thread meanwhile.
pub(crate) trait Call<S: Site>: Send + 'static {
    /// The page that its form stands on.
    type Page: Page<S>;
    /// Its address.
    const AT: &'static str;
    /// Who may do it.
    const ACCESS: Access;
    /// What it changes of what is there; two people in one form do not undo each other's work.
    const CHANGES: Changes<Self::Page> = None;
    /// The fields that a refusal may be about, each with the words that such a refusal holds.
    const BLAMES: &'static [(&'static str, &'static str)] = &[];

    /// Does it.
    fn act(site: &S, ask: &Ask) -> impl Future<Output = Result<Done, Problem>> + Send;

    /// The row of this form in a table of routes.
    fn route() -> Route<S>
    where
        Self: Sized,
    {
        handler::call_route::<S, Self>()
    }
}

/// A file that is brought.
pub(crate) trait Upload<S: Site>: Send + 'static {
    /// The page that its form stands on.
    type Page: Page<S>;
    /// Its address.
    const AT: &'static str;
    /// Who may bring one.
    const ACCESS: Access;

    /// Takes it in; what was typed beside it stands in `ask`.
    fn take(
        site: &S,
        ask: &Ask,
        file: Incoming,
    ) -> impl Future<Output = Result<Done, Problem>> + Send;

    /// The row of this form in a table of routes.
    fn route() -> Route<S>
    where
        Self: Sized,
    {
        handler::upload_route::<S, Self>()
    }
}

/// What was done: where it goes on, and what is said there.
pub(crate) struct Done {
    pub to: String,
    pub said: String,
    /// Whether it is not all good.
    pub is_bad: bool,
}

impl Done {
    pub(crate) fn at(to: impl Into<String>, said: impl Into<String>) -> Self {
        Self { to: to.into(), said: said.into(), is_bad: false }
    }

    /// The same of what did not go well, if it did not.
    pub(crate) fn bad_if(self, is_bad: bool) -> Self {
        Self { is_bad, ..self }
    }
}

/// A part of a page that is read anew every so often, where there is a script.
pub(crate) fn live(ask: &Ask, every_seconds: u32, part: &Markup) -> Markup {
    html! {
        div id="live" data-refresh=(ask.with(&[])) data-every=(every_seconds) { (part) }
    }
}

/// A text to copy, with the button for it.
pub(crate) fn copyable(text: &str) -> Markup {
    html! { code { (text) } " " button type="button" data-copy=(text) aria-label=(format!("Copy {text}")) { "Copy" } }
}
