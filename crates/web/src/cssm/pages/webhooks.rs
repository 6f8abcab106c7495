//! Webhooks: where programs are told what happens in the account, and what became of it (ours).

use maud::{Markup, html};
use rumline_cssm::{Action, Error};
use rumline_server::{Delivery, USUAL_WEBHOOK_KINDS, WEBHOOK_KINDS, Webhook, WebhookId};

use super::place::Place;
use crate::cssm::{CssmSite, webhooks};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Input, button, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

const ADMINISTRATORS: Access = Access::May(Action::Administer);

pub(super) struct Webhooks {
    place: Place,
    webhooks: Vec<Webhook>,
}

impl Page<CssmSite> for Webhooks {
    const AT: &'static str = "/smart-accounts/{sa}/webhooks";
    const ACCESS: Access = ADMINISTRATORS;

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let webhooks = site.people.webhooks(place.account.id.into())?;
        Ok(Self { place, webhooks })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Webhooks")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.place.at("/webhooks");
        let columns = vec![
            Column::new("Address", Kind::Text, |one: &Webhook| {
                html! { a href=(format!("{at}/{}", one.id)) { (one.url) } }
            }),
            Column::new("Told Of", Kind::Text, |one: &Webhook| html! { (one.kinds.join(", ")) }),
            Column::new("Made", Kind::Text, |one: &Webhook| {
                html! { (ask.time(Some(one.made_at))) " by " (one.made_by) }
            }),
            Column::new("Waiting", Kind::Number, |one: &Webhook| html! { (one.waiting) }),
            Column::new("Lost", Kind::Number, |one: &Webhook| html! { (one.lost) }),
        ];
        let empty = html! { p { "No program is told what happens in this account." } };
        let (usual, all) = (USUAL_WEBHOOK_KINDS.join(", "), WEBHOOK_KINDS.join(", "));
        let mut kinds = vec![(String::new(), usual.as_str()), (WEBHOOK_KINDS.join(" "), &all)];
        kinds.extend(WEBHOOK_KINDS.map(|kind| (kind.to_owned(), kind)));
        let fields = [
            Field::text("url", "Address").help("https:// and where the program listens."),
            Field::text("kinds", "Told Of").kind(Input::Choice(kinds)).optional(),
        ];
        html! {
            (self.place.path(""))
            h1 { "Webhooks" }
            details.box open[ask.refused.is_some()] {
                summary.first { "Add a Webhook" }
                (form(ask, &at, &fields, "Add Webhook"))
            }
            (Table { caption: "Webhooks", columns, rows: &self.webhooks, ticks: None, empty }.show(ask))
        }
    }
}

/// Adds one.
pub(super) struct Create;

impl Post<CssmSite> for Create {
    type Page = Webhooks;
    const AT: &'static str = "/smart-accounts/{sa}/webhooks";
    const ACCESS: Access = ADMINISTRATORS;
    const BLAMES: &'static [(&'static str, &'static str)] = &[("url", "address")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let place = Place::read(site, ask)?;
        let kinds: Vec<String> = match ask.typed("kinds") {
            "" => Vec::new(),
            kinds => kinds.split(' ').map(str::to_owned).collect(),
        };
        let of = (ask.now, place.account.id.into());
        let (made, secret) = webhooks::make(site, &ask.caller, of, ask.typed("url"), &kinds)?;
        let said = format!("The webhook is added. Its secret is shown this once: {secret}");
        Ok(Done::at(place.at(&format!("/webhooks/{}", made.id)), said))
    }
}

pub(super) struct OneWebhook {
    place: Place,
    webhook: Webhook,
    deliveries: Vec<Delivery>,
}

impl Page<CssmSite> for OneWebhook {
    const AT: &'static str = "/smart-accounts/{sa}/webhooks/{id}";
    const ACCESS: Access = ADMINISTRATORS;

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let (place, id): (_, WebhookId) = (Place::read(site, ask)?, ask.id("id")?);
        let scope = place.account.id.into();
        let found = site.people.webhooks(scope)?.into_iter().find(|one| one.id == id);
        let webhook = found.ok_or(Error::NotFound("webhook"))?;
        let before = ask.query("before").parse().ok();
        let deliveries = site.people.deliveries(scope, id, before)?;
        Ok(Self { place, webhook, deliveries })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Webhook")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.place.at(&format!("/webhooks/{}", self.webhook.id));
        let columns = vec![
            Column::new("Number", Kind::Number, |one: &Delivery| html! { (one.id) }),
            Column::new("Kind", Kind::Whole, |one: &Delivery| html! { (one.kind) }),
            Column::new("Made", Kind::Text, |one: &Delivery| ask.time(Some(one.made_at))),
            Column::new("State", Kind::Text, |one: &Delivery| {
                html! { @match (one.delivered_at, one.given_up_at) {
                    (Some(at), _) => { span.badge.good { "taken" } " " (ask.time(Some(at))) },
                    (None, Some(at)) => { span.badge.bad { "given up" } " " (ask.time(Some(at))) },
                    (None, None) => { span.badge.warn { "waits" } " " (ask.time(one.next_at)) },
                } }
            }),
            Column::new("Tries", Kind::Number, |one: &Delivery| html! { (one.tries) }),
            Column::new("Problem", Kind::Text, |one: &Delivery| html! { (one.problem) }),
        ];
        let empty = html! { p { "Nothing was told yet." } };
        let rest = (self.deliveries.len() >= 1_000).then(|| self.deliveries.last()).flatten();
        html! {
            p.path { a href=(self.place.at("/webhooks")) { "Webhooks" } " > " (self.webhook.url) }
            h1 { "Webhook" }
            dl.facts {
                div { dt { "Address" } dd { (self.webhook.url) } }
                div { dt { "Told of" } dd { (self.webhook.kinds.join(", ")) } }
                div { dt { "Waiting" } dd { (self.webhook.waiting) } }
            }
            p {
                (button(&format!("{at}/test"), "Send a Test", None)) " "
                (button(&format!("{at}/remove"), "Remove",
                    Some("Remove it? What waits for it is not told.")))
            }
            h2 { "Deliveries" }
            (Table { caption: "Deliveries", columns, rows: &self.deliveries, ticks: None, empty }.show(ask))
            @if let Some(last) = rest {
                p { a href=(ask.with(&[("before", &last.id.to_string())])) { "Older" } }
            }
        }
    }
}

/// Sends a test.
pub(super) struct Test;

impl Post<CssmSite> for Test {
    type Page = OneWebhook;
    const AT: &'static str = "/smart-accounts/{sa}/webhooks/{id}/test";
    const ACCESS: Access = ADMINISTRATORS;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, WebhookId) = (Place::read(site, ask)?, ask.id("id")?);
        let (at, scope) = (place.at(""), place.account.id.into());
        site.people.test_webhook(ask.now, &ask.caller.actor(), (scope, &at), id)?;
        Ok(Done::at(place.at(&format!("/webhooks/{id}")), "A test is on its way."))
    }
}

/// Removes one.
pub(super) struct Remove;

impl Post<CssmSite> for Remove {
    type Page = OneWebhook;
    const AT: &'static str = "/smart-accounts/{sa}/webhooks/{id}/remove";
    const ACCESS: Access = ADMINISTRATORS;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, WebhookId) = (Place::read(site, ask)?, ask.id("id")?);
        let (by, scope) = (ask.caller.actor(), place.account.id.into());
        site.people.remove_webhook(ask.now, &by, scope, id)?;
        Ok(Done::at(place.at("/webhooks"), "The webhook is removed."))
    }
}
