//! Forms: each field with its name, what was typed into it, and what is wrong with that beside it.

use maud::{Markup, html};

use super::Ask;

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
    pub required: bool,
    /// What a value looks like, or what comes of it.
    pub help: &'a str,
}

impl<'a> Field<'a> {
    /// A line that has to be filled in.
    pub(crate) fn text(name: &'static str, label: &'a str) -> Self {
        Self { name, label, kind: Kind::Text, value: "", required: true, help: "" }
    }

    pub(crate) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    pub(crate) fn kind(self, kind: Kind<'a>) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn value(self, value: &'a str) -> Self {
        Self { value, ..self }
    }

    pub(crate) fn help(self, help: &'a str) -> Self {
        Self { help, ..self }
    }

    fn show(&self, ask: &Ask) -> Markup {
        let Self { name, label, kind, value, required, help } = self;
        let wrong = ask.refused.as_ref().filter(|(field, _)| field == name);
        // What was typed stays.
        let has_form = ask.form.iter().any(|(own, _)| own == name);
        let typed = match kind {
            // Passwords never come back.
            Kind::Secret(_) => "",
            Kind::Switch if !ask.form.is_empty() => ask.typed(name),
            _ if has_form => ask.typed(name),
            _ => value,
        };
        let told = format!("{name}-told");
        let describes = (wrong.is_some() || !help.is_empty()).then_some(told.as_str());
        let invalid = wrong.is_some().then_some("true");
        let (required, invalid) = (*required, invalid);
        html! {
            div.field {
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

/// A form that is sent to an address, with its button.
pub(crate) fn form(ask: &Ask, to: &str, fields: &[Field<'_>], button: &str) -> Markup {
    html! {
        form.fields method="post" action=(to) {
            @for field in fields { (field.show(ask)) }
            div { button.first { (button) } }
        }
    }
}

/// A form that asks for another look at its page.
pub(crate) fn search(ask: &Ask, fields: &[Field<'_>], button: &str) -> Markup {
    html! {
        form.row method="get" action=(ask.at) role="search" {
            @for field in fields { (field.show(ask)) }
            button { (button) }
        }
    }
}

/// A form that brings a file, with its button and how far it is.
pub(crate) fn upload(ask: &Ask, to: &str, fields: &[Field<'_>], button: &str) -> Markup {
    html! {
        form.fields method="post" action=(to) enctype="multipart/form-data" {
            // What stands beside the file comes before it.
            @for field in fields { (field.show(ask)) }
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
