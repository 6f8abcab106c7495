//! Routes: those that interfaces make, and static ones. There is no data plane; what is shown follows from the lines and from
//! which interfaces are up.

mod line;
mod show;
mod table;

use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Put, Setting, Software};
use line::Static;

const ROUTE: Setting =
    Setting { put: Put::As(spelled), check: is_route, ..Setting::keyed("ip route", usize::MAX) };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[Command::anyone("show ip route", show::routes)],
    settings: &[ROUTE],
};

fn words(given: &Given) -> Vec<&str> {
    let typed = ["prefix", "hop"].into_iter().filter_map(|name| given.get(name));
    typed.flat_map(str::split_whitespace).collect()
}

/// As NX-OS keeps it: the mask as a number, the interface with its name in full.
fn spelled(given: &Given) -> String {
    Static::parse(&words(given))
        .map_or_else(|_| given.canonical.clone(), |route| format!("{} {route}", ROUTE.head))
}

fn is_route(
    _: &ConfigTree,
    given: &Given,
    software: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let words = words(given);
    match Static::parse(&words) {
        // `ip route static bfd ...` is none, and a line all the same.
        Err(why) if software.is_some() && words.first() != Some(&"static") => Err(why),
        // A file of any release has what it has.
        _ => Ok(None),
    }
}
