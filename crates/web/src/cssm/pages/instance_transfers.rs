//! Product instances move to another virtual account: those that are ticked, or all that a search finds (CSSM-005).

use rumline_cssm::{Action, Error, InstanceId, JobKind, NewJob, VirtualAccountId};

use super::instances::Instances;
use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::page::counted;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::{Ask, Done, Post};

/// Moves those that are ticked to another virtual account, all or none (CSSM-005).
pub(super) struct Transfer;

impl Post<CssmSite> for Transfer {
    type Page = Instances;
    const AT: &'static str =
        "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/transfer";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let inventory = Inventory::read(site, ask)?;
        let sa = inventory.place.account.id;
        let ids: Vec<InstanceId> = ask.ticked("ids")?;
        let into = ask.typed("into").parse().map(VirtualAccountId).unwrap_or_default();
        let into = inventory.place.parts.iter().find(|part| part.id == into);
        let into = into.ok_or_else(|| Error::invalid("say to which virtual account"))?;
        let by = ask.caller.actor();
        let moved = site.cssm.transfer_instances(ask.now, &by, sa, &ids, into.id, false)?;
        let said = format!("{} moved to {}.", counted(len(&moved), "product instance"), into.name);
        let is_bad = moved.is_empty();
        Ok(Done::at(inventory.at("/product-instances"), said).bad_if(is_bad))
    }
}

/// Moves all that a search finds, on this page and the others, as a job that tells how far it is.
pub(super) struct TransferAll;

impl Post<CssmSite> for TransferAll {
    type Page = Instances;
    const AT: &'static str =
        "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/transfer-all";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let inventory = Inventory::read(site, ask)?;
        let new = NewJob {
            kind: JobKind::Transfer,
            search: ask.typed("search").to_owned(),
            sort: None,
            virtual_account_id: Some(inventory.part.id),
            into_virtual_account_id: ask.typed("into").parse().map(VirtualAccountId).ok(),
        };
        let by = ask.caller.actor();
        site.cssm.add_job(ask.now, &by, inventory.place.account.id, &new)?;
        Ok(Done::at(inventory.place.at("/jobs"), "The job has begun."))
    }
}

fn len<T>(all: &[T]) -> i64 {
    i64::try_from(all.len()).unwrap_or(i64::MAX)
}
