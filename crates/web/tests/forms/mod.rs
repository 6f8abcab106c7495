//! Forms as they stand in pages, and what all of them keep to: who changes what is there carries what was seen of it.

use rumline_web::Route;

/// A form of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) action: String,
    /// The digest of what it changes.
    pub(crate) seen: Option<String>,
    /// Fields in which something stands that is there already.
    pub(crate) filled: Vec<String>,
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let value = tag.split(&format!(" {name}=\"")).nth(1)?;
    value.split('"').next()
}

/// The forms of a page that are sent, but for those with files.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut found = Vec::new();
    for text in page.split("<form").skip(1) {
        let text = text.split("</form>").next().unwrap_or_default();
        let head = format!(" {}", text.split('>').next().unwrap_or_default());
        if attribute(&head, "method") != Some("post") {
            continue;
        }
        let action = attribute(&head, "action").unwrap_or_default().to_owned();
        let mut form = Form { action, ..Form::default() };
        let (mut is_usual, mut select) = (false, "");
        for tag in text.split('<').skip(1).filter_map(|tag| tag.split('>').next()) {
            let value = attribute(tag, "value").unwrap_or_default();
            let name = attribute(tag, "name").unwrap_or_default();
            if tag.starts_with("div class=\"field\"") {
                is_usual = tag.contains("data-usual");
            }
            if tag.starts_with("select") {
                select = name;
            }
            let is_filled = match attribute(tag, "type") {
                Some("hidden") => {
                    if name == "seen" {
                        form.seen = Some(value.to_owned());
                    }
                    false
                }
                // Those of a list are ticked by people.
                Some("checkbox") => tag.ends_with(" checked"),
                Some("radio") => tag.ends_with(" checked"),
                _ if tag.starts_with("option") => tag.ends_with(" selected") && !value.is_empty(),
                _ => tag.starts_with("input") && !value.is_empty(),
            };
            if is_filled && !is_usual {
                let of = if name.is_empty() { select } else { name };
                form.filled.push(of.to_owned());
            }
        }
        found.push(form);
    }
    found
}

/// What an address has in the places that a path names.
pub(crate) fn fits<'a>(path: &'a str, address: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (parts, own): (Vec<_>, Vec<_>) = (path.split('/').collect(), address.split('/').collect());
    let mut names = Vec::new();
    for (part, own) in parts.iter().zip(&own) {
        match part.starts_with('{') {
            true => names.push((*part, *own)),
            false if part == own => {}
            false => return None,
        }
    }
    (parts.len() == own.len()).then_some(names)
}

/// The address of the page that a form stands on.
pub(crate) fn page_of<S>(route: &Route<S>, address: &str) -> Option<String> {
    let names = fits(route.path, address)?;
    let page =
        names.iter().fold(route.page.to_owned(), |page, (name, own)| page.replace(name, own));
    (!page.contains('{')).then_some(page)
}

/// What is wrong with the forms of a page: one that shows what is there has to carry what was seen, and no other does.
pub(crate) fn wrong_forms<S>(routes: &[Route<S>], at: &str, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for form in forms(page) {
        let sent =
            |route: &&Route<S>| route.method == "post" && fits(route.path, &form.action).is_some();
        // An address without places is meant before one that has some.
        let fitting =
            routes.iter().filter(sent).min_by_key(|route| route.path.matches('{').count());
        let Some(route) = fitting else {
            wrong.push(format!("{at}: nobody takes {}", form.action));
            continue;
        };
        if !form.filled.is_empty() && !route.changes {
            wrong.push(format!(
                "{} shows {:?} and does not say what it changes",
                route.path, form.filled
            ));
        }
        if route.changes != form.seen.is_some() {
            wrong.push(format!("{at}: the form of {} carries {:?}", route.path, form.seen));
        }
    }
    wrong
}

/// The digest that the form of an address carries on its page.
pub(crate) fn seen_of(page: &str, address: &str) -> Option<String> {
    forms(page).into_iter().find(|form| form.action == address)?.seen
}

/// A page without how long ago things were: that changes by itself.
pub(crate) fn still(page: &str) -> String {
    let mut parts = page.split("<span class=\"soft ago\">");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, part| page + part.split_once("</span>").map_or(part, |(_, rest)| rest))
}
