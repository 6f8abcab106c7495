//! What an alert is about, as the way there, and as of when alerts are.

use maud::{Markup, html};
use rumline_cssm::AlertView;
use rumline_protocol::Timestamp;

use super::place::Place;
use crate::page::in_query;
use crate::ui::Ask;

/// What an alert is about, as a link where there is a page of it.
pub(super) fn about(place: &Place, alert: &AlertView) -> Markup {
    let to = to(place, &alert.kind, &alert.subject);
    html! { @match to {
        Some(to) => a href=(to) { (alert.subject) },
        None => (alert.subject),
    } }
}

fn to(place: &Place, kind: &str, subject: &str) -> Option<String> {
    let part = |name: &str| place.parts.iter().find(|part| part.name == name);
    let inside = |name: &str, rest: &str| {
        part(name).map(|part| place.at(&format!("/virtual-accounts/{}{rest}", part.id)))
    };
    match kind {
        "shortage" => {
            let (license, name) = subject.split_once(" in ")?;
            inside(name, &format!("/licenses/{}", in_query(license)))
        }
        "expiry" => {
            let number = subject.strip_prefix("purchase ")?.split(',').next()?;
            Some(place.at(&format!("/reports/purchases/{}", number.parse::<i64>().ok()?)))
        }
        "silent collector" => Some(place.at("/collectors")),
        _ => match subject.split_once(",SN:") {
            Some((_, serial)) => {
                Some(place.at(&format!("/product-instances?search={}", in_query(serial))))
            }
            None => inside(subject.strip_prefix("product instances of ")?, "/product-instances"),
        },
    }
}

/// As of when the alerts are that are looked for, in words: figures beside them may be newer.
pub(super) fn as_of(ask: &Ask, looked_at: Option<Timestamp>) -> Markup {
    html! {
        p.soft {
            @match looked_at {
                Some(at) => { "As of " (ask.time(Some(at.0))) "; looked for every five minutes." },
                None => "Looked for every five minutes; not yet since the server or this account began.",
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rumline_cssm::{SmartAccount, SmartAccountId, VirtualAccount, VirtualAccountId};

    use super::{Place, to};

    #[test]
    fn what_an_alert_is_about_is_a_way_there() {
        let part = |id, name: &str| VirtualAccount {
            id: VirtualAccountId(id),
            name: name.to_owned(),
            description: String::new(),
        };
        let account = SmartAccount {
            id: SmartAccountId(1),
            name: "Example".to_owned(),
            domain: "example.net".to_owned(),
        };
        let place = Place { account, parts: vec![part(1, "Default"), part(2, "Lab in Bonn")] };
        for (kind, subject, leads) in [
            (
                "shortage",
                "VPN_FABRIC in Lab in Bonn",
                Some("/virtual-accounts/2/licenses/VPN_FABRIC"),
            ),
            ("shortage", "VPN_FABRIC in Closed", None),
            ("expiry", "purchase 7, within a day", Some("/reports/purchases/7")),
            ("expiry", "purchase x/y, within a day", None),
            ("silent collector", "CSLU hall", Some("/collectors")),
            ("overdue", "PID:N9K-C9504,SN:A&B", Some("/product-instances?search=A%26B")),
            ("gap", "PID:N9K-C9504,SN:FOX1", Some("/product-instances?search=FOX1")),
            (
                "overdue",
                "product instances of Default",
                Some("/virtual-accounts/1/product-instances"),
            ),
            ("gap", "product instances", None),
        ] {
            let leads = leads.map(|rest| format!("/smart-accounts/1{rest}"));
            assert_eq!(to(&place, kind, subject), leads, "{kind} {subject}");
        }
    }
}
