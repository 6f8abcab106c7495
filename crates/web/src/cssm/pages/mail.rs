//! E-mail: what somebody wants to be told of, and for administrators what was sent (ours; CSSM-007).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, MailView, MailWish, Pace};

use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::shared::Frames as _;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, button, change};
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

pub(super) struct OwnMail {
    wish: Option<MailWish>,
    may_be_told: bool,
}

impl Page<CssmSite> for OwnMail {
    const AT: &'static str = "/me/mail";
    const ACCESS: Access = Access::LoggedIn;

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let login = &ask.caller.login;
        let (wish, may_be_told) = (site.cssm.mail_wish(login)?, site.cssm.may_be_told(login)?);
        Ok(Self { wish, may_be_told })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        site.around(ask, "E-mail".to_owned())
    }

    fn show(&self, site: &CssmSite, ask: &Ask) -> Markup {
        let wish = self.wish.as_ref();
        let kinds: Vec<&str> =
            wish.map(|wish| wish.kinds.iter().map(String::as_str).collect()).unwrap_or_default();
        let kinds = kinds.join(", ");
        let paces = vec![("at_once".to_owned(), "at once"), ("daily".to_owned(), "once a day")];
        let pace =
            if wish.is_some_and(|wish| wish.pace == Pace::Daily) { "daily" } else { "at_once" };
        let fields = [
            Field::text("address", "Address").value(wish.map_or("", |wish| wish.address.as_str())),
            Field::text("pace", "When").kind(Typed::Choice(paces)).value(pace),
            Field::text("kinds", "Kinds of alerts")
                .value(&kinds)
                .optional()
                .help("With commas between them, like shortage, overdue; all if none is named."),
        ];
        html! {
            p.path { a href="/me" { (ask.caller.login) } " > E-mail" }
            h1 { "Alerts by e-mail" }
            @if !site.sends_mail {
                p.note.bad { "This server knows no mail server: nothing is sent. Whoever runs it gives "
                    code { "--mail-server" } "." }
            }
            @if !self.may_be_told {
                p.note { "You see the alerts of no account: there is nothing that you would be told of." }
            }
            (change(ask, "/me/mail", &self.seen(), &fields, "Save"))
            @if wish.is_some() {
                p { (button("/me/mail/test", "Send a Test Message", None)) " "
                    (button("/me/mail/remove", "Tell Me No More", None)) }
            }
            @if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
                p { a href="/mail" { "What was sent" } }
            }
        }
    }
}

impl OwnMail {
    fn seen(&self) -> Seen {
        let Some(wish) = &self.wish else { return Seen::of([("", "no e-mail")]) };
        let kinds: Vec<&str> = wish.kinds.iter().map(String::as_str).collect();
        let pace = if wish.pace == Pace::Daily { "once a day" } else { "at once" };
        let kinds = if kinds.is_empty() { "all".to_owned() } else { kinds.join(", ") };
        let address = wish.address.as_str();
        Seen::of([("Address", address), ("When", pace), ("Kinds of alerts", kinds.as_str())])
    }
}

/// Says where somebody wants to be told.
pub(super) struct Wish;

impl Post<CssmSite> for Wish {
    type Page = OwnMail;
    const AT: &'static str = "/me/mail";
    const ACCESS: Access = Access::Oneself;
    const CHANGES: Changes<OwnMail> = Some(|page, _| page.seen());
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("kinds", "kind of alert"), ("address", "address")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let kinds = ask.typed("kinds").split(',').map(str::trim).filter(|kind| !kind.is_empty());
        let wish = MailWish {
            address: ask.typed("address").to_owned(),
            kinds: kinds.map(str::to_owned).collect(),
            pace: if ask.typed("pace") == "daily" { Pace::Daily } else { Pace::AtOnce },
        };
        site.cssm.set_mail_wish(ask.now, &ask.caller.actor(), &ask.caller.login, &wish)?;
        Ok(Done::at("/me/mail", "Saved."))
    }
}

/// Sends a test message.
pub(super) struct Test;

impl Post<CssmSite> for Test {
    type Page = OwnMail;
    const AT: &'static str = "/me/mail/test";
    const ACCESS: Access = Access::Oneself;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        site.cssm.test_mail(ask.now, &ask.caller.login, &site.base_url)?;
        Ok(Done::at("/me/mail", "A test message is on its way."))
    }
}

/// Tells somebody nothing any more.
pub(super) struct NoMore;

impl Post<CssmSite> for NoMore {
    type Page = OwnMail;
    const AT: &'static str = "/me/mail/remove";
    const ACCESS: Access = Access::Oneself;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        match site.cssm.remove_mail_wish(ask.now, &ask.caller.actor(), &ask.caller.login) {
            // Pressed twice.
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Done::at("/me/mail", "You are told of nothing by e-mail any more."))
    }
}

/// Messages on one page.
const ROWS: usize = 100;

/// What was sent.
pub(super) struct Sent {
    messages: Vec<MailView>,
    next: Option<String>,
}

impl Page<CssmSite> for Sent {
    const AT: &'static str = "/mail";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let mut messages = site.cssm.mail(Trail::of(ask).place().parse().ok())?;
        let is_more = messages.len() > ROWS;
        messages.truncate(ROWS);
        let next = messages.last().filter(|_| is_more).map(|last| last.id.to_string());
        Ok(Self { messages, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        site.around(ask, "E-mail".to_owned())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Made", Kind::Text, |one: &MailView| time(Some(one.made_at))),
            Column::new(
                "To",
                Kind::Text,
                |one: &MailView| html! { (one.login) " " span.soft { (one.address) } },
            ),
            Column::new("Subject", Kind::Text, |one: &MailView| html! { (one.subject) }),
            Column::new("State", Kind::Text, |one: &MailView| {
                html! {
                    @if one.sent_at.is_some() { span.badge.good { "sent" } " " (time(one.sent_at)) }
                    @else if one.given_up_at.is_some() { span.badge.bad { "given up" } " " (one.problem) }
                    @else { span.badge.warn { "waits" } " " (one.problem) }
                }
            }),
        ];
        let empty = html! { p { "No message in the last thirty days." } };
        html! {
            h1 { "E-mail" }
            (Table { caption: "Messages", columns, rows: &self.messages, ticks: None, empty }.show(ask))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}
