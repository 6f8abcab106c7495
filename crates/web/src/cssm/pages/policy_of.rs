//! Whose policies there are: a smart account's, a virtual account's, or that of those who use a licence (CSSM-022, 023).

use rumline_catalogue::Catalogue;
use rumline_cssm::{Error, PolicyFile, PolicyInForce, SetFor, SmartAccountId, VirtualAccountId};
use rumline_protocol::ClassPolicy;

use crate::cssm::CssmSite;
use crate::page::in_query;
use crate::ui::Ask;

/// Whose policy it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Of {
    Account,
    Part(VirtualAccountId),
    License(String),
}

impl Of {
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        let number = |text: &str| text.parse().ok().map(|id| Self::Part(VirtualAccountId(id)));
        let found = match text.split_once('-') {
            Some(("part", id)) => number(id),
            Some(("license", name)) => Some(Self::License(name.to_owned())),
            _ => (text == "account").then_some(Self::Account),
        };
        found.ok_or(Error::NotFound("policy"))
    }

    /// Its address in a smart account.
    pub(super) fn at(&self) -> String {
        let name = match self {
            Self::Account => "account".to_owned(),
            Self::Part(id) => format!("part-{id}"),
            Self::License(name) => format!("license-{}", in_query(name).replace('/', "%2F")),
        };
        format!("/reports/policy/{name}")
    }

    pub(super) fn set_for(&self) -> SetFor {
        match self {
            Self::Account => SetFor::SmartAccount,
            Self::Part(_) => SetFor::VirtualAccount,
            Self::License(name) => SetFor::Tag(name.clone()),
        }
    }
}

/// What holds for one of them now.
pub(super) fn in_force(
    site: &CssmSite,
    sa: SmartAccountId,
    of: &Of,
) -> Result<PolicyInForce, Error> {
    let own = match of {
        Of::Part(id) => return site.cssm.policy(sa, *id),
        Of::Account => None,
        Of::License(name) => {
            let all = site.cssm.tag_policies(sa)?;
            let own = all.into_iter().find(|set| set.set_for == of.set_for());
            if own.is_none() && Catalogue::nexus().package(name).is_none() {
                return Err(Error::NotFound("license"));
            }
            own
        }
    };
    own.map_or_else(|| site.cssm.account_policy(sa), Ok)
}

/// The policy that somebody typed; what is no field stays as it is.
pub(super) fn typed(
    now: &PolicyInForce,
    said: impl Fn(&str) -> String,
) -> Result<PolicyFile, Error> {
    let days = |name: &str, label: &str| {
        let text = said(name);
        let days = text.parse::<u32>();
        days.map_err(|_| Error::invalid(format!("{label}: a whole number of days, not {text:?}")))
    };
    let lifetime_days = match said("lifetime_days").as_str() {
        "" => None,
        _ => Some(days("lifetime_days", "Lifetime")?),
    };
    Ok(PolicyFile {
        policy_name: said("policy_name"),
        reporting_ack_required: said("reporting_ack_required") == "on",
        unenforced: ClassPolicy {
            first_report_days: days("first_report_days", "First report")?,
            ongoing_report_days: days("ongoing_report_days", "Ongoing reports")?,
            on_change_report_days: days("on_change_report_days", "After a change")?,
        },
        enforced: now.policy.enforced,
        export: now.policy.export,
        lifetime_days,
    })
}

/// Sets one, or takes it back.
pub(super) fn set(
    site: &CssmSite,
    ask: &Ask,
    sa: SmartAccountId,
    of: &Of,
    file: Option<&PolicyFile>,
) -> Result<(), Error> {
    let policy = file.map(|file| (file.policy(), file.lifetime_days));
    let policy = policy.as_ref().map(|(policy, lifetime_days)| (policy, *lifetime_days));
    let by = ask.caller.actor();
    match of {
        Of::Account => site.cssm.set_policy(ask.now, &by, sa, None, policy),
        Of::Part(id) => site.cssm.set_policy(ask.now, &by, sa, Some(*id), policy),
        Of::License(name) => site.cssm.set_tag_policy(ask.now, &by, sa, name, policy),
    }
}
