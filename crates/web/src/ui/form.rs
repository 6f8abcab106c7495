//! Forms: each field with its name, what was typed into it, and what is wrong with that beside it.

use maud::{Markup, html};

use super::Ask;

/// What is typed into a field.
pub(crate) enum Kind {
    /// A line.
    Text,
    /// A whole number from one to another.
    Number(i64, i64),
}

/// A field of a form.
pub(crate) struct Field<'a> {
    pub name: &'static str,
    pub label: &'a str,
    pub kind: Kind,
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

    pub(crate) fn kind(self, kind: Kind) -> Self {
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
        let typed = if ask.form.is_empty() { value } else { ask.typed(name) };
        let told = format!("{name}-told");
        let describes = (wrong.is_some() || !help.is_empty()).then_some(told.as_str());
        let invalid = wrong.is_some().then_some("true");
        html! {
            div.field {
                label for=(name) { (label) @if !required { span.soft { " (optional)" } } }
                @match kind {
                    Kind::Number(least, most) => input id=(name) name=(name) type="number" min=(least)
                        max=(most) value=(typed) required[*required] aria-describedby=[describes]
                        aria-invalid=[invalid];,
                    Kind::Text => input id=(name) name=(name) value=(typed) required[*required]
                        aria-describedby=[describes] aria-invalid=[invalid];,
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

/// A button that does one thing; with a question it asks before.
pub(crate) fn button(to: &str, text: &str, question: Option<&str>) -> Markup {
    html! {
        form.inline method="post" action=(to) {
            button data-confirm=[question] { (text) }
        }
    }
}
