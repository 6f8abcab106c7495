//! The picture of a lab as a page: SVG above, words below. It holds no secret.

use maud::{DOCTYPE, Markup, html};
use rumline_protocol::Timestamp;

use super::blocks::Block;
use super::layout::{Drawing, Line, narrow, wide};
use super::state::{Health, Server, State, Switch};

/// The whole page.
pub(super) fn page(content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Lab - Rumline" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#live" { "To the lab" }
                header {
                    strong { "Rumline lab" }
                    p #fresh aria-live="polite" {
                        noscript { "Without a script this page stays as it is: " }
                        a href="/" { "Look again" }
                    }
                }
                main #live { (content) }
            }
        }
    }
}

/// What is there instead of a lab that cannot be looked at.
pub(super) fn problem(text: &str) -> Markup {
    html! { h1 { "The lab cannot be looked at" } p.note role="alert" { (text) } }
}

/// What changes as the lab does.
pub(super) fn content(state: &State) -> Markup {
    html! {
        h1 { (state.account) }
        p.soft { "As it was at " (time(Some(state.at))) ". " (legend()) }
        div.wide { (svg(&wide(state))) }
        div.narrow { (svg(&narrow(state))) }
        h2 { "Servers" }
        div.cards {
            (server(&state.cssm))
            @for one in &state.collectors { (server(one)) }
        }
        h2 { "Switches" }
        div.cards { @for one in &state.switches { (switch(one)) } }
    }
}

fn legend() -> Markup {
    html! {
        "● well, ◐ something waits, ▲ something is wrong, ✕ it does not run. A dashed line: a person carries files."
    }
}

/// A time of the lab's clock, or none.
fn time(at: Option<i64>) -> String {
    let text = at.map(|at| Timestamp(at).to_string());
    text.map_or("never".to_owned(), |text| text.replace('T', " ").replace('Z', " UTC"))
}

fn svg(drawing: &Drawing) -> Markup {
    let view = format!("0 0 {} {}", drawing.width, drawing.height);
    html! {
        svg viewBox=(view) role="group" aria-label="Who talks to whom" {
            @for one in &drawing.lines { (line(one)) }
            @for one in &drawing.boxes { (block(one)) }
        }
    }
}

fn line(line: &Line) -> Markup {
    let points = line.points.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ");
    let health = line.health.map_or("shared", Health::word);
    let class = format!("line {health}{}", if line.by_file { " file" } else { "" });
    html! {
        polyline class=(class) points=(points) {}
        @if let Some((x, y, text)) = &line.label { text.label x=(x) y=(y) { (text) } }
    }
}

fn block(block: &Block) -> Markup {
    let Block { x, y, width, height, health, .. } = block;
    let below = |lines: i32| y + 24 + lines * 19;
    let fault = block.fault.as_ref().map(|fault| format!("fault: {fault}"));
    html! {
        a href=(block.href) {
            rect class={ "block " (health.word()) } x=(x) y=(y) width=(width) height=(height) rx="8" {}
            text.name x=(x + 12) y=(below(0)) { (block.name) " " }
            @if let Some(fault) = fault {
                text.fault x=(x + width - 12) y=(below(0)) text-anchor="end" { (fault) " " }
            }
            text class={ "says " (health.word()) } x=(x + 12) y=(below(1)) {
                (health.sign()) " " (block.says) " "
            }
            @for (place, text) in (2..).zip(&block.texts) {
                text.about x=(x + 12) y=(below(place)) { (text) " " }
            }
        }
    }
}

fn server(one: &Server) -> Markup {
    html! {
        section.card id=(one.name) aria-label=(one.name) {
            h3 { (one.name) @if one.title != one.name { span.soft { " " (one.title) } } }
            p class=(one.health.word()) { (one.health.sign()) " " (one.says) }
            @if let Some(fault) = &one.fault { p { "Fault on purpose: " code { (fault) } } }
            dl {
                dt { "Its own pages" } dd { a href=(one.url) { (one.url) } }
                @if one.connected.is_some() { dt { "Reports that wait here" } dd { (one.waiting) } }
            }
            @if !one.notes.is_empty() { ul { @for note in one.notes.iter().take(10) { li { (note) } } } }
        }
    }
}

fn switch(one: &Switch) -> Markup {
    let none = "none".to_owned();
    html! {
        section.card id=(one.name) aria-label=(one.name) {
            h3 { (one.name) span.soft { " topology " (one.topology) } }
            p class=(one.health.word()) { (one.health.sign()) " " (one.says) }
            @if let Some(fault) = &one.fault { p { "Fault on purpose: " code { (fault) } } }
            dl {
                dt { "Log in" } dd { code { (one.ssh) } }
                dt { "Its password is in" } dd { code { (one.password_file) } }
                dt { "Identity" } dd { "PID:" (one.pid) ",SN:" (one.serial) }
                @if one.runs {
                    dt { "Transport" } dd { (one.transport) " " (one.url) }
                    dt { "Trust code" } dd { @if one.has_trust { "installed" } @else { "none" } }
                    dt { "Last ACK" } dd { (one.last_ack.as_ref().unwrap_or(&none)) }
                    dt { "Reports that wait" } dd { (one.waiting) }
                }
                dt { "Last heard of by its servers" } dd { (time(one.last_contact_at)) }
            }
            @if !one.messages.is_empty() {
                h4 { "Last system messages" }
                ul.log { @for text in &one.messages { li { code { (text) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::state;
    use super::*;

    #[test]
    fn the_picture_shows_everyone_and_says_how_they_are() {
        let text = page(&content(&state())).into_string();
        for wanted in [
            "direct",
            "cslu-1",
            "island",
            "does not run",
            "Cisco Is Not Available",
            "ssh admin@127.0.0.1 -p 2222",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert_eq!(text.matches("<svg").count(), 2);
        assert!(text.contains("line down file"), "the island's files are carried");
        assert!(!text.contains("style="), "all looks are in the style sheet");
    }

    #[test]
    fn what_others_wrote_is_text() {
        let mut state = state();
        state.switches[0].messages = vec!["<script>x</script>".to_owned()];
        let text = content(&state).into_string();
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"));
    }
}
