//! Reports > Reporting Policy > one of them: what it says, checked, tried on what was reported, and set (CSSM-016, 022, 023).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, PolicyInForce, SetFor, VirtualAccountId};
use rumline_protocol::ClassPolicy;

use super::place::Place;
use super::policy_of::{Of, in_force, set, typed};
use super::policy_trial::Tried;
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, button, change_or};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

pub(super) struct OnePolicy {
    place: Place,
    of: Of,
    name: String,
    /// What holds there now.
    set: PolicyInForce,
    tried: Option<Result<Tried, String>>,
}

impl Page<CssmSite> for OnePolicy {
    const AT: &'static str = "/smart-accounts/{sa}/reports/policy/{of}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let (place, of) = (Place::read(site, ask)?, Of::read(ask.name("of"))?);
        let (sa, set) = (place.account.id, in_force(site, place.account.id, &of)?);
        let name = match &of {
            Of::Account => format!("the Smart Account {}", place.account.name),
            Of::Part(id) => format!("the Virtual Account {}", place.part_name(*id)),
            Of::License(license) => format!("the license {license}"),
        };
        let tried = (!ask.query("try").is_empty()).then(|| {
            let on = match of {
                Of::Part(id) => Some(id),
                _ => ask.query("on").parse().ok().map(VirtualAccountId),
            };
            let file = typed(&set, |name| ask.query(name).trim().to_owned())?;
            Tried::of(site, ask, (sa, on), &file)
        });
        let tried = match tried {
            Some(Err(Error::Invalid(why) | Error::Field { text: why, .. })) => Some(Err(why)),
            tried => tried.transpose()?.map(Ok),
        };
        Ok(Self { place, of, name, set, tried })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, format!("Policy of {}", self.name))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let (at, is_own) = (self.place.at(&self.of.at()), self.set.set_for == self.of.set_for());
        let may = self.place.may(ask, Action::Administer);
        html! {
            (self.place.reports("/reports/policy"))
            h1 { "Policy of " (self.name) }
            @match &self.tried {
                Some(Ok(tried)) => (tried.show(ask, &self.place)),
                Some(Err(why)) => p.note.bad role="alert" { (why) },
                None => {}
            }
            details.box open[self.tried.is_some() || ask.was_sent(&at)] {
                summary.first { @if !may { "Try Another One" } @else if is_own { "Change It" } @else { "Set Another One" } }
                (self.form(ask, &at, may))
            }
            h2 { "In force" }
            dl.facts { @for (name, value) in self.values() { div { dt { (name) } dd { (value) } } } }
            p { a href=(self.place.at("/reports/policy")) { "All policies" } }
            @if may && is_own {
                (button(&format!("{at}/back"), "Take Back",
                    Some("Take this policy back? The one that is more general holds then.")))
            }
        }
    }
}

impl OnePolicy {
    /// What it says, in words.
    fn values(&self) -> Vec<(&'static str, String)> {
        let (policy, days) = (&self.set.policy, &self.set.policy.unenforced);
        let set_for = match &self.set.set_for {
            SetFor::CiscoDefault => "nothing: it is the Cisco default".to_owned(),
            SetFor::SmartAccount => "the Smart Account".to_owned(),
            SetFor::VirtualAccount => "this Virtual Account".to_owned(),
            SetFor::Tag(tag) => format!("the license {tag}"),
        };
        let lifetime = self.set.lifetime_days;
        vec![
            ("Policy", policy.policy_name.clone()),
            ("Set For", set_for),
            ("ACK Required", if policy.reporting_ack_required { "yes" } else { "no" }.to_owned()),
            ("First report within (days)", days.first_report_days.to_string()),
            ("Ongoing reports every (days)", days.ongoing_report_days.to_string()),
            ("Report after a change within (days)", days.on_change_report_days.to_string()),
            ("Copies last (days)", lifetime.map_or("for ever".to_owned(), |days| days.to_string())),
        ]
    }

    fn form(&self, ask: &Ask, at: &str, may: bool) -> Markup {
        let (policy, days) = (&self.set.policy, &self.set.policy.unenforced);
        let is_tried = self.tried.is_some();
        let value = |name: &str, now: String| {
            if is_tried { ask.query(name).trim().to_owned() } else { now }
        };
        // One that is set here is another one than the general one, and has a name of its own.
        let is_own = self.set.set_for == self.of.set_for();
        let now = if is_own { policy.policy_name.clone() } else { String::new() };
        let name = value("policy_name", now);
        let ack = if policy.reporting_ack_required { "on" } else { "" };
        let ack = value("reporting_ack_required", ack.to_owned());
        let first = value("first_report_days", days.first_report_days.to_string());
        let ongoing = value("ongoing_report_days", days.ongoing_report_days.to_string());
        let change = value("on_change_report_days", days.on_change_report_days.to_string());
        let lifetime = self.set.lifetime_days.map_or(String::new(), |days| days.to_string());
        let lifetime = value("lifetime_days", lifetime);
        let number = || Typed::Number(0, i64::from(ClassPolicy::DAYS_MAX));
        let mut fields = vec![
            Field::text("policy_name", "Name")
                .value(&name)
                .help("Switches show it, like Quarterly."),
            Field::text("reporting_ack_required", "A report is open until it is acknowledged")
                .kind(Typed::Switch)
                .value(&ack),
            Field::text("first_report_days", "First report within (days)")
                .kind(number())
                .value(&first),
            Field::text("ongoing_report_days", "Ongoing reports every (days)")
                .kind(number())
                .value(&ongoing),
            Field::text("on_change_report_days", "Report after a change within (days)")
                .kind(number())
                .value(&change)
                .help("0 days: none is asked for."),
            Field::text("lifetime_days", "Copies last (days)")
                .kind(Typed::Number(1, 2 * i64::from(ClassPolicy::DAYS_MAX)))
                .value(&lifetime)
                .optional()
                .help("Without it for ever."),
        ];
        if !matches!(self.of, Of::Part(_)) {
            let on = self.place.part_field("on", "Try it on").usual(ask.query("on"));
            fields.push(on.optional());
        }
        let or = html! { button formmethod="get" formaction=(at) name="try" value="1" { "Check and Try" } };
        change_or(ask, at, &Seen::of(self.values()), &fields, may.then_some("Set Policy"), &or)
    }
}

/// Sets it.
pub(super) struct Set;

impl Post<CssmSite> for Set {
    type Page = OnePolicy;
    const AT: &'static str = "/smart-accounts/{sa}/reports/policy/{of}";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<OnePolicy> = Some(|page, _| Seen::of(page.values()));
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("policy_name", "policy's name"),
        ("lifetime_days", "ifetime"),
        ("first_report_days", "First report"),
        ("ongoing_report_days", "Ongoing reports"),
        ("on_change_report_days", "After a change"),
    ];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, of) = (Place::read(site, ask)?, Of::read(ask.name("of"))?);
        let now = in_force(site, place.account.id, &of)?;
        let file = typed(&now, |name| ask.typed(name).to_owned())?;
        set(site, ask, place.account.id, &of, Some(&file))?;
        Ok(Done::at(
            place.at(&of.at()),
            "The policy is set: product instances get it with their next contact.",
        ))
    }
}

/// Takes it back.
pub(super) struct TakeBack;

impl Post<CssmSite> for TakeBack {
    type Page = OnePolicy;
    const AT: &'static str = "/smart-accounts/{sa}/reports/policy/{of}/back";
    const ACCESS: Access = Access::May(Action::Administer);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, of) = (Place::read(site, ask)?, Of::read(ask.name("of"))?);
        set(site, ask, place.account.id, &of, None)?;
        Ok(Done::at(place.at("/reports/policy"), "The policy is taken back."))
    }
}
