//! What a page was asked for.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use maud::{Markup, html};
use rumline_protocol::Timestamp;
use rumline_server::{Action, Caller, Error, Id, PartId, ScopeId};

use crate::page::{from_query, in_query, said_to};
use crate::problem::Problem;
use crate::site::Site;

/// What a page was asked for: by whom, when, which numbers and names its address holds, what its query says, and what was
/// typed into its form, if something was.
#[derive(Clone)]
pub(crate) struct Ask {
    pub caller: Caller,
    pub now: Timestamp,
    /// The address as it was asked for, without its query.
    pub at: String,
    pub numbers: BTreeMap<String, i64>,
    pub names: BTreeMap<String, String>,
    pub query: Vec<(String, String)>,
    pub form: Vec<(String, String)>,
    /// Where a form was sent that came back; empty if none did.
    pub sent_to: String,
    /// What is wrong with what was typed: the field, if it is one, and what to do.
    pub refused: Option<(&'static str, String)>,
    /// What was done just now.
    pub said: Option<String>,
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// What a query or a form holds.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (from_query(name), from_query(value))
    };
    pairs.map(pair).collect()
}

/// The address of a page with its numbers and names.
pub(super) fn filled(at: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(at.to_owned(), |at, (name, value)| {
        at.replace(&format!("{{{name}}}"), &in_query(value).replace('/', "%2F"))
    })
}

impl<S: Site> FromRequestParts<S> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, site).await;
        let (mut numbers, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in parameters.iter().flatten() {
            names.insert(name.to_owned(), value.to_owned());
            if let Ok(number) = value.parse() {
                numbers.insert(name.to_owned(), number);
            }
        }
        let caller = parts.extensions.get::<Caller>().cloned();
        // A part that is read anew neither shows nor ends what is said to a whole page.
        let is_part = parts.headers.contains_key("x-part");
        let said = said_to(site, &parts.headers).filter(|_| !is_part);
        Ok(Self {
            caller: caller.ok_or(Error::Unauthenticated)?,
            now: site.now(),
            at: parts.uri.path().to_owned(),
            numbers,
            names,
            query: pairs(parts.uri.query().unwrap_or_default()),
            form: Vec::new(),
            sent_to: String::new(),
            refused: None,
            said,
        })
    }
}

impl Ask {
    /// What somebody may have asked for at an address of a scope, where nothing else is known of it.
    pub(crate) fn elsewhere<S: Site>(site: &S, caller: &Caller, at: &str, scope: ScopeId) -> Self {
        Self {
            caller: caller.clone(),
            now: site.now(),
            at: at.to_owned(),
            numbers: [(S::SCOPE.to_owned(), scope.0)].into(),
            names: [(S::SCOPE.to_owned(), scope.to_string())].into(),
            query: Vec::new(),
            form: Vec::new(),
            sent_to: String::new(),
            refused: None,
            said: None,
        }
    }

    /// Who asked, and where.
    pub(crate) fn who(&self) -> Option<(Caller, String)> {
        Some((self.caller.clone(), self.at.clone()))
    }

    /// Takes in what was typed.
    pub(crate) fn read_form(&mut self, body: &[u8]) {
        self.form = pairs(&String::from_utf8_lossy(body));
    }

    /// A number that the address names.
    pub(crate) fn id<T: Id>(&self, name: &str) -> Result<T, Error> {
        let number = self.numbers.get(name).copied();
        number.map(T::from_number).ok_or(Error::NotFound("thing"))
    }

    /// A name that the address holds.
    pub(crate) fn name(&self, name: &str) -> &str {
        self.names.get(name).map_or("", String::as_str)
    }

    /// What the query says, empty if nothing.
    pub(crate) fn query(&self, name: &str) -> &str {
        first(&self.query, name).unwrap_or_default()
    }

    /// What was typed, trimmed; empty if nothing.
    pub(crate) fn typed(&self, name: &str) -> &str {
        first(&self.form, name).unwrap_or_default().trim()
    }

    /// What has changed is seen anew when the page comes back.
    pub(super) fn forget_seen(&mut self) {
        self.form.retain(|(name, _)| name != super::seen::SEEN);
    }

    /// Whether the form of this address was sent and comes back.
    pub(crate) fn was_sent(&self, to: &str) -> bool {
        self.sent_to == to
    }

    /// A password as it was typed.
    pub(crate) fn secret(&self, name: &str) -> &str {
        first(&self.form, name).unwrap_or_default()
    }

    /// A time, and how long ago it was, or in how long it will be.
    pub(crate) fn time(&self, at: Option<i64>) -> Markup {
        html! {
            (crate::page::time(at))
            @if let Some(at) = at { " " span.soft.ago { "(" (away(self.now.0, at)) ")" } }
        }
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

/// How far away a time is, in the largest unit that fits.
fn away(now: i64, at: i64) -> String {
    const UNITS: [(i64, &str); 4] =
        [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let seconds = now.abs_diff(at);
    let fits = |(length, _): &&(i64, &str)| seconds >= length.unsigned_abs();
    let Some((length, unit)) = UNITS.iter().find(fits) else { return "now".to_owned() };
    let count = seconds / length.unsigned_abs();
    let many = if count == 1 { "" } else { "s" };
    if at <= now { format!("{count} {unit}{many} ago") } else { format!("in {count} {unit}{many}") }
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
            names: BTreeMap::new(),
            query: vec![pair("search", "x&y"), pair("sort", "name"), pair("empty", "")],
            form: vec![pair("name", " Lab "), pair("ids", "1"), pair("ids", "x"), pair("ids", "2")],
            sent_to: String::new(),
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

    #[test]
    fn a_trail_leads_on_and_back_through_places_of_any_letters() {
        use crate::ui::table::Trail;
        let mut ask = Ask {
            caller: Caller::new("eve", Vec::new()),
            now: Timestamp(0),
            at: "/a".to_owned(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
            query: Vec::new(),
            form: Vec::new(),
            sent_to: String::new(),
            refused: None,
            said: None,
        };
        let mut pages = vec![String::new()];
        for place in ["485~regid,1.0_%2C", "7,8", "ä&="] {
            let shown = Trail::of(&ask).show(&ask, Some(place)).into_string();
            let link = shown.rsplit("href=\"").next().and_then(|rest| rest.split('"').next());
            let query = link.and_then(|link| link.split_once('?')).map_or("", |(_, query)| query);
            ask.query = pairs(&query.replace("&amp;", "&"));
            assert_eq!(Trail::of(&ask).place(), place);
            pages.push(ask.query("trail").to_owned());
        }
        let back = Trail::of(&ask).show(&ask, None).into_string();
        assert!(back.contains("rel=\"prev\"") && back.contains(&in_query(&pages[2])), "{back}");
    }

    #[test]
    fn how_far_away_a_time_is_is_told_in_one_unit() {
        for (at, told) in [
            (1_000_000, "now"),
            (999_999, "1 second ago"),
            (999_941, "59 seconds ago"),
            (999_940, "1 minute ago"),
            (996_400, "1 hour ago"),
            (827_200, "2 days ago"),
            (1_000_061, "in 1 minute"),
            (1_172_800, "in 2 days"),
        ] {
            assert_eq!(away(1_000_000, at), told);
        }
        assert!(away(i64::MIN, i64::MAX).starts_with("in "));
    }
}
