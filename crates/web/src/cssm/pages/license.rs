//! A licence: the product instances that it is in use on (guide p. 60; CSSM-015).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, InstanceView};

use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Page};

/// Product instances on one page.
const ROWS: usize = 50;

pub(super) struct License {
    inventory: Inventory,
    license: String,
    rows: Vec<(InstanceView, i64)>,
    next: Option<String>,
}

impl Page<CssmSite> for License {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/licenses/{license}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let (sa, license) = (inventory.place.account.id, ask.name("license").to_owned());
        let account = (sa, inventory.part.id);
        let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
        let mut uses = site.cssm.uses_now(account, &license, Trail::of(ask).place(), limit)?;
        let is_more = uses.len() > ROWS;
        uses.truncate(ROWS);
        let next = uses.last().filter(|_| is_more).map(|last| last.next.clone());
        let row = |one: &rumline_cssm::UseOfInstance| {
            Ok((site.cssm.instance(sa, one.product_instance_id)?, one.count))
        };
        let rows = uses.iter().map(row).collect::<Result<_, Error>>()?;
        Ok(Self { inventory, license, rows, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, self.license.clone())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        type Row = (InstanceView, i64);
        let at = self.inventory.at("/product-instances");
        let columns = vec![
            Column::new("Product Instance", Kind::Text, |(one, _): &Row| {
                html! { a href=(format!("{at}/{}", one.id)) { (one.name) } }
            }),
            Column::new("Product Type", Kind::Whole, |(one, _): &Row| html! { (one.product_type) }),
            Column::new("Licenses used", Kind::Number, |(_, count): &Row| html! { (count) }),
        ];
        let empty = html! { p { "No product instance of this virtual account uses it." } };
        let records = if self.rows.len() == 1 { "Record" } else { "Records" };
        html! {
            (self.inventory.head(ask, "/licenses"))
            h2 { (self.license) }
            (Table { caption: "Product Instances", columns, rows: &self.rows, ticks: None, empty }.show(ask))
            @if !self.rows.is_empty() { p.soft { "Showing " (self.rows.len()) " " (records) } }
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}
