//! The help inside: questions, topologies, messages, flows, terms; searched and read (FAQ, GLOSS, TSHOOT, PI-MSG-019).

use maud::{Markup, PreEscaped, html};
use rumline_help::{Document, Topic};
use rumline_server::Error;

use super::Frames;
use crate::site::Access;
use crate::ui::{Around, Ask, Page};

/// Topics that a search finds at most.
const FOUND_MAX: usize = 50;

pub(super) struct Contents {
    found: Vec<&'static Topic>,
}

/// The link to a topic.
fn link(topic: &Topic) -> Markup {
    html! { a href=(format!("/help/{}", topic.id)) { (topic.title) } }
}

/// What was found: where it stands, and a line of its text with the words.
fn result(topic: &'static Topic, words: &str) -> Markup {
    let first = topic.document.topics().next().filter(|first| first.id != topic.id);
    html! {
        (link(topic))
        @if let Some(first) = first { " " span.soft { "in " (first.title) } }
        @if let Some(line) = rumline_help::excerpt(topic, words) { div.soft { (line) } }
    }
}

fn search_form(ask: &Ask) -> Markup {
    html! {
        form.row method="get" action="/help" role="search" {
            label { "Search" input type="search" name="search" value=(ask.query("search")); }
            button { "Search" }
        }
    }
}

impl<S: Frames> Page<S> for Contents {
    const AT: &'static str = "/help";
    const ACCESS: Access = Access::LoggedIn;

    fn load(_: &S, ask: &Ask) -> Result<Self, Error> {
        let words = ask.query("search");
        let is_asked = !words.trim().is_empty();
        Ok(Self {
            found: if is_asked { rumline_help::search(words, FOUND_MAX) } else { Vec::new() },
        })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, "Help".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        let is_asked = !ask.query("search").trim().is_empty();
        html! {
            h1 { "Help" }
            (search_form(ask))
            @if is_asked {
                @if self.found.is_empty() {
                    div.empty { p { "Nothing is found with all these words. " a href="/help" { "Show all" } } }
                }
                ul.found { @for topic in &self.found { li { (result(topic, ask.query("search"))) } } }
            } @else {
                @for document in Document::ALL.into_iter().filter(|one| !one.is_manual()) {
                    @let own: Vec<&Topic> = document.topics().collect();
                    @if let Some(first) = own.first() {
                        h2 { (link(first)) }
                        // Terms are many and short: they stand on the page of their document.
                        @if document != Document::Glossary {
                            ul.columns { @for topic in own.iter().skip(1) { li { (link(topic)) } } }
                        }
                    }
                }
                h2 { "Manuals" }
                ul.columns { @for document in Document::ALL.into_iter().filter(|one| one.is_manual()) {
                    @for first in document.topics().take(1) { li { (link(first)) } }
                } }
            }
        }
    }
}

pub(super) struct Read {
    topic: &'static Topic,
}

impl<S: Frames> Page<S> for Read {
    const AT: &'static str = "/help/{topic}";
    const ACCESS: Access = Access::LoggedIn;

    fn load(_: &S, ask: &Ask) -> Result<Self, Error> {
        let topic = rumline_help::topic(ask.name("topic"));
        Ok(Self { topic: topic.ok_or(Error::NotFound("topic: search for it"))? })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, self.topic.title.clone())
    }

    fn show(&self, _: &S, _: &Ask) -> Markup {
        let topic = self.topic;
        let of_document: Vec<&Topic> = topic.document.topics().collect();
        let place = of_document.iter().position(|other| other.id == topic.id).unwrap_or(0);
        let beside = |at: Option<usize>| at.and_then(|at| of_document.get(at));
        html! {
            p.path { a href="/help" { "Help" } @if let Some(first) = of_document.first() {
                @if first.id != topic.id { " > " (link(first)) }
            } }
            h1 { (topic.title) }
            // Written here, with what was written in them made harmless.
            div.text { (PreEscaped(rumline_help::html(topic))) }
            @if topic.is_beginning() {
                ul.columns { @for other in of_document.iter().skip(1) { li { (link(other)) } } }
            }
            nav.pages aria-label="Topics beside" {
                @if let Some(before) = beside(place.checked_sub(1)) { (link(before)) }
                @if let Some(after) = beside(Some(place + 1)) { (link(after)) }
            }
        }
    }
}
