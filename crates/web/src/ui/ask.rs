//! What a page was asked for.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;
use rumline_server::Id;
use rumline_server::{Action, Caller, Error, PartId, ScopeId};

use crate::page::in_query;

/// What a page was asked for: by whom, when, which numbers its address names, what its query says, and what was typed into
/// its form, if something was.
pub(crate) struct Ask {
    pub caller: Caller,
    pub now: Timestamp,
    /// The address as it was asked for, without its query.
    pub at: String,
    pub numbers: BTreeMap<String, i64>,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// What is wrong with what was typed: the field, if it is one, and what to do.
    pub refused: Option<(&'static str, String)>,
    /// What was done just now.
    pub said: Option<String>,
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

impl Ask {
    /// A number that the address names.
    pub(crate) fn id<T: Id>(&self, name: &str) -> Result<T, Error> {
        let number = self.numbers.get(name).copied();
        number.map(T::from_number).ok_or(Error::NotFound("such thing"))
    }

    /// What the query says, empty if nothing.
    pub(crate) fn query(&self, name: &str) -> &str {
        first(&self.query, name).unwrap_or_default()
    }

    /// What was typed, trimmed; empty if nothing.
    pub(crate) fn typed(&self, name: &str) -> &str {
        first(&self.form, name).unwrap_or_default().trim()
    }

    /// All that was ticked under a name.
    pub(crate) fn ticked<T: Id>(&self, name: &str) -> Result<Vec<T>, Error> {
        let all = self.form.iter().filter(|(own, _)| own == name);
        let ids: Vec<T> =
            all.filter_map(|(_, value)| value.parse::<i64>().ok()).map(T::from_number).collect();
        if ids.is_empty() {
            return Err(Error::invalid("tick some in the list first"));
        }
        Ok(ids)
    }

    /// Whether the caller may do this in an account, or in a part of it.
    pub(crate) fn may(&self, action: Action, scope: ScopeId, part: Option<PartId>) -> bool {
        self.caller.may(action, scope, part).is_ok()
    }

    /// This address with another query: what is named is set, or left out where it is empty; the rest stays.
    pub(crate) fn with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self.query.iter().filter(|(name, value)| {
            !value.is_empty() && changes.iter().all(|(changed, _)| changed != name)
        });
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        let set = changes.iter().copied().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> =
            kept.chain(set).map(|(name, value)| format!("{name}={}", in_query(value))).collect();
        if pairs.is_empty() { self.at.clone() } else { format!("{}?{}", self.at, pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_is_not_changed() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let ask = Ask {
            caller: Caller::new("eve", Vec::new()),
            now: Timestamp(0),
            at: "/a".to_owned(),
            numbers: BTreeMap::new(),
            query: vec![pair("search", "x&y"), pair("sort", "name"), pair("empty", "")],
            form: vec![pair("name", " Lab "), pair("ids", "1"), pair("ids", "x"), pair("ids", "2")],
            refused: None,
            said: None,
        };
        assert_eq!(ask.with(&[]), "/a?search=x%26y&sort=name");
        assert_eq!(ask.with(&[("sort", ""), ("page", "2")]), "/a?search=x%26y&page=2");
        assert_eq!(ask.with(&[("search", ""), ("sort", "")]), "/a");
        assert_eq!((ask.query("sort"), ask.query("none"), ask.typed("name")), ("name", "", "Lab"));
        let ids: Vec<ScopeId> = ask.ticked("ids").expect("two were ticked");
        assert_eq!(ids, [ScopeId(1), ScopeId(2)]);
        assert!(ask.ticked::<ScopeId>("none").is_err());
        assert!(ask.id::<ScopeId>("sa").is_err());
    }
}
