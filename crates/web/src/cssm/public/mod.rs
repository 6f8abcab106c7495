//! The public API of the original, at its own paths: translation only (`docs/public-api.md`). What is done is done by the
//! functions that pages and the API of this project call; here its words are read and written.
//!
//! A client is a program of this CSSM, and a smart account is named by its domain or, of calls about product instances, by
//! its number in a header. The guard looks it up and asks what the caller may do there.

mod accounts;
mod alerts;
mod devices;
mod licenses;
mod routes;
mod software;
mod subscriptions;
mod summary;
mod tokens;
mod usage;

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use rumline_cssm::{Caller, Cssm, Error, SmartAccountId, VirtualAccountId};
use rumline_server::Action::View;
use rumline_server::{Only, PartId};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) use routes::routes;

use crate::asked::plain as parse;
use crate::listed::Part;
use crate::problem::{Problem, Refusal};
use crate::site::Place;

type Answer = Result<Json<Value>, Problem>;

/// Where the API of accounts begins.
const BASE: &str = "/services/api/smart-accounts-and-licensing/";
/// Where the newer one of software begins.
const SOFTWARE: &str = "/v1/software/apis/";

/// How an address of these is refused that is none of the table's.
pub(super) fn refusal_at(path: &str) -> Refusal {
    if path.starts_with(BASE) || path.starts_with(SOFTWARE) {
        Refusal::Account
    } else {
        Refusal::Problem
    }
}

/// The address that clients mean who write the base of their URLs with a slash at its end, or say it twice.
pub(super) fn meant_by(path: &str) -> Option<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let plain: String = parts.map(|part| format!("/{part}")).collect();
    let plain = plain.replacen("/services/api/services/api/", "/services/api/", 1);
    // The one address that ends with a slash leads nowhere else.
    (plain != path.trim_end_matches('/') && plain.starts_with(BASE)).then_some(plain)
}

impl Place {
    fn smart_account(self) -> SmartAccountId {
        self.scope.into()
    }

    /// The virtual account of a path or a header that names one.
    fn virtual_account(self) -> Result<(SmartAccountId, VirtualAccountId), Error> {
        let part = self.part.ok_or(Error::NotFound("account"))?;
        Ok((self.scope.into(), part.into()))
    }
}

/// Which virtual accounts a list is asked of, and which part of it.
#[derive(Deserialize, Default)]
struct Chosen {
    #[serde(default, rename = "virtualAccounts")]
    virtual_accounts: Option<Vec<String>>,
    #[serde(default)]
    offset: Option<usize>,
    limit: Option<i64>,
}

/// Rows of a list where nobody says how many.
const ROWS: i64 = 50;
/// Things that are done in one call.
const DEEDS_MAX: usize = 1_000;

impl Chosen {
    /// Reads a body; one that is left out asks for all. Some clients say in the query which part they want.
    fn read(body: &Bytes, query: Part) -> Result<(Self, Part), Problem> {
        let chosen: Self = if body.is_empty() { Self::default() } else { parse(body)? };
        let offset = chosen.offset.unwrap_or(query.offset);
        let part = Part { offset, limit: chosen.limit.or(query.limit) };
        Ok((chosen, part.or(ROWS)?))
    }

    /// Of the virtual accounts that the caller sees those that are asked for, by their names.
    fn of(self, cssm: &Cssm, caller: &Caller, sa: SmartAccountId) -> Result<Names, Error> {
        let mut names = seen(cssm, caller, sa)?;
        let wanted = self.virtual_accounts.unwrap_or_default();
        if !wanted.is_empty() {
            let all = wanted.iter().map(|name| named(&names, name));
            let wanted = all.collect::<Result<Vec<VirtualAccountId>, Error>>()?;
            names.retain(|id, _| wanted.contains(id));
        }
        Ok(names)
    }
}

/// Virtual accounts by their numbers.
type Names = BTreeMap<VirtualAccountId, String>;

/// The virtual account that a list is asked of: clients have `DEFAULT` built in, so that case decides only where there are
/// several of a name.
fn named(names: &Names, wanted: &str) -> Result<VirtualAccountId, Error> {
    let exact = names.iter().find(|(_, name)| *name == wanted);
    let alike = names.iter().find(|(_, name)| name.eq_ignore_ascii_case(wanted));
    exact.or(alike).map(|(id, _)| *id).ok_or(Error::NotFound("virtual account"))
}

/// The virtual accounts of a smart account that the caller sees.
fn seen(cssm: &Cssm, caller: &Caller, sa: SmartAccountId) -> Result<Names, Error> {
    let only = caller.parts(View, sa.into());
    let all = cssm.virtual_accounts(sa)?.into_iter();
    let seen = all.filter(|account| only.has(&account.id.into()));
    Ok(seen.map(|account| (account.id, account.name)).collect())
}

/// The same virtual accounts, for functions that take such a choice.
fn only(names: &Names) -> Only<PartId> {
    Only::These(names.keys().map(|id| (*id).into()).collect())
}

/// The virtual account that a body names as where something goes: whoever gives it away has to be somebody there as well.
fn target(
    cssm: &Cssm,
    caller: &Caller,
    sa: SmartAccountId,
    name: &str,
) -> Result<VirtualAccountId, Error> {
    let found = seen(cssm, caller, sa)?.into_iter().find(|(_, known)| known == name);
    let (id, _) = found.ok_or(Error::NotFound("virtual account"))?;
    caller.may(rumline_server::Action::Administer, sa.into(), Some(id.into()))?;
    Ok(id)
}

/// How many things a body may name.
fn check_count<T>(things: &[T], what: &str) -> Result<(), Error> {
    if things.is_empty() || things.len() > DEEDS_MAX {
        return Err(Error::invalid(format!("{what}: 1 to 1,000 at a time")));
    }
    Ok(())
}

/// What became of each thing that was to be done. Those that are refused hold none of the others back; a store that fails
/// ends it.
fn each<T>(
    things: Vec<T>,
    row: impl Fn(&T) -> Value,
    mut work: impl FnMut(&T) -> Result<(), Error>,
) -> Result<(Vec<Value>, bool), Error> {
    let (mut rows, mut is_fine) = (Vec::with_capacity(things.len()), true);
    for thing in things {
        let mut row = row(&thing);
        match work(&thing) {
            Ok(()) => {
                row["status"] = json!(SUCCESS);
                row["statusMessage"] = json!("");
            }
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) => {
                is_fine = false;
                row["status"] = json!(ERROR);
                row["statusMessage"] = json!(error.to_string());
            }
        }
        rows.push(row);
    }
    Ok((rows, is_fine))
}

/// The same as an answer under a name.
fn outcome(name: &str, (rows, is_fine): (Vec<Value>, bool)) -> Value {
    let (status, text) =
        if is_fine { (SUCCESS, "") } else { (ERROR, "not all of it was done; see each") };
    json!({ "status": status, "statusMessage": text, name: rows })
}

const SUCCESS: &str = "SUCCESS";
const ERROR: &str = "ERROR";
const IN_COMPLIANCE: &str = "In Compliance";
const OUT_OF_COMPLIANCE: &str = "Out Of Compliance";
