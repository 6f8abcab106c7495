//! Forms: each field with its name, what was typed into it, and what is wrong with that beside it.

use maud::{Markup, html};

use super::{Ask, Seen};

/// What is typed into a field.
pub(crate) enum Kind<'a> {
    /// A line.
    Text,
    /// A whole number from one to another.
    Number(i64, i64),
    /// A day.
    Day,
    /// A password, and what a browser may fill in: `current-password`, `new-password` or `off`.
    Secret(&'static str),
    /// One of some: what is sent for each, and its words.
    Choice(Vec<(String, &'a str)>),
    /// Yes or no.
    Switch,
    /// A file.
    File,
}

/// A field of a form.
pub(crate) struct Field<'a> {
    pub name: &'static str,
    pub label: &'a str,
    pub kind: Kind<'a>,
    /// What stands in it at first.
    pub value: &'a str,
    /// Whether that is no more than a proposal: nothing that is there.
    pub is_usual: bool,
    pub required: bool,
    /// What a value looks like, or what comes of it.
    pub help: &'a str,
}

impl<'a> Field<'a> {
    /// A line that has to be filled in.
    pub(crate) fn text(name: &'static str, label: &'a str) -> Self {
        Self { name, label, kind: Kind::Text, value: "", is_usual: false, required: true, help: "" }
    }

    pub(crate) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(crate) fn kind(self, kind: Kind<'a>) -> Self {
        Self { kind, ..self }
    }

    /// The same with what it is now: its form changes that, and carries what was seen.
    pub(crate) fn value(self, value: &'a str) -> Self {
        Self { value, ..self }
    }

    /// The same with what most people want.
    pub(crate) fn usual(self, value: &'a str) -> Self {
        Self { value, is_usual: true, ..self }
    }

    pub(crate) fn help(self, help: &'a str) -> Self {
        Self { help, ..self }
    }

    /// `was_sent`: whether its form is the one that was sent and came back.
    fn show(&self, ask: &Ask, was_sent: bool) -> Markup {
        let Self { name, label, kind, value, is_usual, required, help } = self;
        let wrong = ask.refused.as_ref().filter(|(field, _)| was_sent && field == name);
        // What was typed stays.
        let has_form = was_sent && ask.form.iter().any(|(own, _)| own == name);
        let typed = match kind {
            // Passwords never come back.
            Kind::Secret(_) => "",
            Kind::Switch if was_sent => ask.typed(name),
            _ if has_form => ask.typed(name),
            _ => value,
        };
        let told = format!("{name}-told");
        let describes = (wrong.is_some() || !help.is_empty()).then_some(told.as_str());
        let invalid = wrong.is_some().then_some("true");
        let (required, invalid) = (*required, invalid);
        html! {
            div.field data-usual[*is_usual] {
                label for=(name) {
                    @if matches!(kind, Kind::Switch) {
                        // A form that was sent without it says that it is off.
                        input id=(name) name=(name) type="checkbox" role="switch" value="on"
                            checked[typed == "on"] aria-describedby=[describes];
                        " "
                    }
                    (label)
                    @if !required && !matches!(kind, Kind::Switch) { span.soft { " (optional)" } }
                }
                @match kind {
                    Kind::Switch => {},
                    Kind::Number(least, most) => input id=(name) name=(name) type="number" min=(least)
                        max=(most) value=(typed) required[required] aria-describedby=[describes]
                        aria-invalid=[invalid] autofocus[invalid.is_some()];,
                    Kind::Day => input id=(name) name=(name) type="date" value=(typed)
                        required[required] aria-describedby=[describes] aria-invalid=[invalid] autofocus[invalid.is_some()];,
                    Kind::Secret(fill) => input id=(name) name=(name) type="password"
                        autocomplete=(fill) required[required] aria-describedby=[describes]
                        aria-invalid=[invalid] autofocus[invalid.is_some()];,
                    Kind::File => input id=(name) name=(name) type="file" required[required]
                        aria-describedby=[describes] aria-invalid=[invalid] autofocus[invalid.is_some()];,
                    Kind::Choice(choices) => select id=(name) name=(name) required[required]
                        aria-describedby=[describes] aria-invalid=[invalid] autofocus[invalid.is_some()] {
                            @for (sent, words) in choices {
                                option value=(sent) selected[sent == typed] { (words) }
                            }
                        },
                    Kind::Text => input id=(name) name=(name) value=(typed) required[required]
                        autocomplete="off" aria-describedby=[describes] aria-invalid=[invalid] autofocus[invalid.is_some()];,
                }
                @if let Some((_, problem)) = wrong {
                    p.wrong id=(told) { (problem) }
                } @else if !help.is_empty() {
                    p.help id=(told) { (help) }
                }
            }
        }
    }
}

/// A form that adds something, or does one thing: it is sent to an address, with its button.
pub(crate) fn form(ask: &Ask, to: &str, fields: &[Field<'_>], button: &str) -> Markup {
    filled(ask, to, None, fields, &html! { button.first { (button) } })
}

/// A form that changes what is there.
pub(crate) fn change(
    ask: &Ask,
    to: &str,
    seen: &Seen,
    fields: &[Field<'_>],
    button: &str,
) -> Markup {
    filled(ask, to, Some(seen), fields, &html! { button.first { (button) } })
}

/// The same for those who may do it, with a button that does something else beside it.
pub(crate) fn change_or(
    ask: &Ask,
    to: &str,
    seen: &Seen,
    fields: &[Field<'_>],
    button: Option<&str>,
    or: &Markup,
) -> Markup {
    let buttons = html! { @if let Some(button) = button { button.first { (button) } " " } (or) };
    filled(ask, to, Some(seen), fields, &buttons)
}

fn filled(
    ask: &Ask,
    to: &str,
    seen: Option<&Seen>,
    fields: &[Field<'_>],
    buttons: &Markup,
) -> Markup {
    html! {
        form.fields method="post" action=(to) {
            @if let Some(seen) = seen { (seen.field(ask, to)) }
            @for field in fields { (field.show(ask, ask.was_sent(to))) }
            div { (buttons) }
        }
    }
}

/// A form that asks for another look at its page.
pub(crate) fn search(ask: &Ask, fields: &[Field<'_>], button: &str) -> Markup {
    html! {
        form.row method="get" action=(ask.at) role="search" {
            @for field in fields { (field.show(ask, false)) }
            button { (button) }
        }
    }
}

/// A form that brings a file, with its button and how far it is.
pub(crate) fn upload(ask: &Ask, to: &str, fields: &[Field<'_>], button: &str) -> Markup {
    html! {
        form.fields method="post" action=(to) enctype="multipart/form-data" {
            // What stands beside the file comes before it.
            @for field in fields { (field.show(ask, ask.was_sent(to))) }
            progress hidden aria-label="How much of the file was sent" {}
            div { button.first { (button) } }
        }
    }
}

/// A button that does one thing; with a question it asks before.
pub(crate) fn button(to: &str, text: &str, question: Option<&str>) -> Markup {
    html! {
        form.inline method="post" action=(to) {
            button data-confirm=[question] { (text) }
        }
    }
}
