//! What the book of licences adds up to: purchased, in use, lent by a higher tier, and the day on which it runs short
//! (CSSM-027, PI-LIC-009). Nothing here is stored or asked.

use std::collections::BTreeMap;

use rumline_catalogue::Tier;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::VirtualAccountId;

/// Licences that a virtual account holds of one purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub virtual_account_id: VirtualAccountId,
    pub license: String,
    pub quantity: i64,
    /// The first second in which it counts.
    pub from: i64,
    /// The second after its last, if it ends.
    pub until: Option<i64>,
}

impl Holding {
    fn counts_at(&self, at: i64) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// A licence in a virtual account: purchased against in use (CSSM-027).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LicenseView {
    /// Its virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// Short name.
    pub license: String,
    /// `Purchased`, as of now.
    pub purchased: i64,
    /// `In Use`.
    pub in_use: i64,
    /// What higher tiers stand in with; below zero what this tier lends to lower ones.
    pub substituted: i64,
    /// `Balance`; below zero is a shortage.
    pub balance: i64,
    /// From when on there is a shortage, if use stays as it is now.
    pub runs_short_at: Option<i64>,
}

/// In use, by virtual account and licence.
pub(crate) type Uses = BTreeMap<(VirtualAccountId, String), i64>;

/// Purchased and in use of each licence of one virtual account.
pub(crate) type Rows<'a> = BTreeMap<&'a str, (i64, i64)>;

/// At a time, of a licence so many more; below zero fewer.
type Change<'a> = (i64, &'a str, i64);

/// The tiers, the lowest first.
pub(crate) fn lowest_first(tiers: &[Tier]) -> Vec<&Tier> {
    let mut lowest_first: Vec<&Tier> = tiers.iter().collect();
    lowest_first.sort_by_key(|tier| tier.rank);
    lowest_first
}

/// What is there of each licence of one virtual account: what higher tiers stand in with, and the balance.
pub(crate) fn standing<'a>(
    rows: &Rows<'a>,
    lowest_first: &[&Tier],
) -> BTreeMap<&'a str, (i64, i64)> {
    // A licence of a tier stands for one of each package that the tier covers: what it lends to one package it can lend to
    // another as well.
    let mut lent: BTreeMap<&str, i64> = BTreeMap::new();
    let mut borrowed: BTreeMap<&str, i64> = BTreeMap::new();
    for (license, (purchased, in_use)) in rows {
        let mut missing = in_use - purchased;
        for tier in lowest_first {
            if missing <= 0 {
                break;
            }
            if !tier.includes.iter().any(|included| included == license) {
                continue;
            }
            let owned = rows.get(tier.license.as_str()).map_or(0, |row| row.0.max(0));
            let taken = missing.min(owned);
            let so_far = lent.entry(&tier.license).or_default();
            *so_far = taken.max(*so_far);
            *borrowed.entry(license).or_default() += taken;
            missing -= taken;
        }
    }
    let of = |all: &BTreeMap<&str, i64>, license| all.get(license).copied().unwrap_or(0);
    rows.iter()
        .map(|(license, (purchased, in_use))| {
            let substituted = of(&borrowed, license) - of(&lent, license);
            (*license, (substituted, purchased + substituted - in_use))
        })
        .collect()
}

/// What is there now, by virtual account and licence, and when it runs short.
pub(crate) fn balances(
    now: i64,
    holdings: &[Holding],
    uses: &Uses,
    tiers: &[Tier],
) -> Vec<LicenseView> {
    let lowest_first = lowest_first(tiers);
    // What counts now, and what comes and goes later, in its order.
    let mut accounts: BTreeMap<VirtualAccountId, (Rows<'_>, Vec<Change<'_>>)> = BTreeMap::new();
    for holding in holdings {
        let Holding { license, quantity, from, until, .. } = holding;
        let (rows, changes) = accounts.entry(holding.virtual_account_id).or_default();
        if holding.counts_at(now) {
            let row = rows.entry(license).or_default();
            row.0 = row.0.saturating_add(*quantity);
        }
        let ends = until.filter(|until| until > from);
        let comes =
            (*from > now && ends.is_some() == until.is_some()).then_some((*from, *quantity));
        let goes = ends.filter(|until| *until > now).map(|until| (until, -quantity));
        changes.extend(comes.into_iter().chain(goes).map(|(at, by)| (at, license.as_str(), by)));
    }
    for ((va, license), count) in uses {
        accounts.entry(*va).or_default().0.entry(license).or_default().1 += count;
    }
    let mut views = Vec::new();
    for (virtual_account_id, (mut rows, mut changes)) in accounts {
        let first = standing(&rows, &lowest_first);
        let mut found: Vec<LicenseView> = first
            .iter()
            .map(|(license, (substituted, balance))| {
                let (purchased, in_use) = rows[license];
                LicenseView {
                    virtual_account_id,
                    license: (*license).to_owned(),
                    purchased,
                    in_use,
                    substituted: *substituted,
                    balance: *balance,
                    runs_short_at: (*balance < 0).then_some(now),
                }
            })
            .collect();
        changes.sort_unstable();
        for together in changes.chunk_by(|one, other| one.0 == other.0) {
            for (_, license, by) in together {
                let row = rows.entry(license).or_default();
                row.0 = row.0.saturating_add(*by);
            }
            let then = standing(&rows, &lowest_first);
            for view in found.iter_mut().filter(|view| view.runs_short_at.is_none()) {
                if then.get(view.license.as_str()).is_some_and(|(_, balance)| *balance < 0) {
                    view.runs_short_at = Some(together[0].0);
                }
            }
        }
        views.extend(found);
    }
    views
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";
    const FABRIC: &str = "VPN_FABRIC";

    fn tiers() -> &'static [Tier] {
        rumline_catalogue::Catalogue::nexus().tiers()
    }

    fn holding(license: &str, quantity: i64, from: i64, until: Option<i64>) -> Holding {
        let license = license.to_owned();
        Holding { virtual_account_id: VirtualAccountId(1), license, quantity, from, until }
    }

    fn uses(of: &[(&str, i64)]) -> Uses {
        of.iter()
            .map(|(license, count)| ((VirtualAccountId(1), (*license).to_owned()), *count))
            .collect()
    }

    /// Licence, substituted, balance.
    fn told(holdings: &[Holding], used: &[(&str, i64)]) -> Vec<(String, i64, i64)> {
        balances(100, holdings, &uses(used), tiers())
            .into_iter()
            .map(|view| (view.license, view.substituted, view.balance))
            .collect()
    }

    fn row(license: &str, substituted: i64, balance: i64) -> (String, i64, i64) {
        (license.to_owned(), substituted, balance)
    }

    #[test]
    fn a_higher_tier_covers_what_is_missing_below_and_never_the_reverse() {
        // PI-LIC-009
        assert_eq!(
            told(&[holding("NXOS_ADVANTAGE", 5, 0, None)], &[(LAN, 3), (FABRIC, 2)]),
            [row(LAN, 3, 0), row("NXOS_ADVANTAGE", -3, 2), row(FABRIC, 2, 0)],
            "one licence of a tier stands for one of each package"
        );
        assert_eq!(
            told(&[holding("NXOS_ESSENTIALS_24P", 5, 0, None)], &[(LAN, 3)]),
            [row(LAN, 3, 0), row("NXOS_ESSENTIALS_24P", -3, 2)],
            "for 24 ports; of which switch it is, nobody tells"
        );
        assert_eq!(
            told(&[holding("NXOS_ESSENTIALS", 5, 0, None)], &[(FABRIC, 2)]),
            [row("NXOS_ESSENTIALS", 0, 5), row(FABRIC, 0, -2)]
        );
        // What is there itself goes first, then the lowest tier that covers it.
        assert_eq!(
            told(
                &[
                    holding(LAN, 1, 0, None),
                    holding("NXOS_ESSENTIALS", 2, 0, None),
                    holding("NXOS_PREMIER", 9, 0, None),
                ],
                &[(LAN, 4)]
            ),
            [row(LAN, 3, 0), row("NXOS_ESSENTIALS", -2, 0), row("NXOS_PREMIER", -1, 8)]
        );
        assert_eq!(
            told(&[holding("NXOS_PREMIER", 2, 0, None)], &[(LAN, 5)]),
            [row(LAN, 2, -3), row("NXOS_PREMIER", -2, 0)]
        );
        // Another virtual account's licences cover nothing here.
        let other = Holding {
            virtual_account_id: VirtualAccountId(2),
            ..holding("NXOS_PREMIER", 9, 0, None)
        };
        assert_eq!(told(&[other], &[(LAN, 1)])[0], row(LAN, 0, -1));
    }

    #[test]
    fn it_runs_short_when_what_covers_it_ends() {
        let short = |holdings: &[Holding], used: &[(&str, i64)]| {
            balances(100, holdings, &uses(used), tiers())[0].runs_short_at
        };
        assert_eq!(short(&[holding(LAN, 5, 0, None)], &[(LAN, 5)]), None);
        assert_eq!(short(&[holding(LAN, 5, 0, Some(200))], &[(LAN, 5)]), Some(200));
        assert_eq!(short(&[holding(LAN, 4, 0, None)], &[(LAN, 5)]), Some(100));
        let renewed = [holding(LAN, 5, 0, Some(200)), holding(LAN, 5, 200, None)];
        assert_eq!(short(&renewed, &[(LAN, 5)]), None);
        let gap = [holding(LAN, 5, 0, Some(200)), holding(LAN, 5, 201, None)];
        assert_eq!(short(&gap, &[(LAN, 5)]), Some(200));
        let lent = [holding(LAN, 1, 0, None), holding("NXOS_ADVANTAGE", 4, 0, Some(300))];
        assert_eq!(short(&lent, &[(LAN, 5)]), Some(300));
        assert_eq!(short(&[holding(LAN, 5, 0, Some(200))], &[]), None, "nothing is used");
        // What counts later does not count now.
        assert_eq!(balances(100, &[holding(LAN, 5, 101, None)], &uses(&[]), tiers()), []);
    }

    #[test]
    fn the_day_it_runs_short_is_the_first_on_which_a_look_finds_it_short() {
        let mut seed = 3_u64;
        let mut below = |limit: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from((seed >> 33) % 1_000).unwrap_or(0) % limit
        };
        for _ in 0..500 {
            let holdings: Vec<Holding> = (0..below(8))
                .map(|_| {
                    let license =
                        [LAN, FABRIC, "NXOS_ADVANTAGE"][usize::try_from(below(3)).unwrap()];
                    let from = 95 + below(12);
                    // A purchase may be visible only after it ended.
                    let until = (below(3) > 0).then(|| from - 2 + below(12));
                    holding(license, 1 + below(3), from, until)
                })
                .collect();
            let uses = uses(&[(LAN, below(4)), (FABRIC, below(4))]);
            let short_at = |at: i64, license: &str| {
                let views = balances(at, &holdings, &uses, tiers());
                views.iter().any(|view| view.license == license && view.balance < 0)
            };
            for view in balances(100, &holdings, &uses, tiers()) {
                let slow = (100..130).find(|at| short_at(*at, &view.license));
                assert_eq!(view.runs_short_at, slow, "{holdings:?} {uses:?} {view:?}");
            }
        }
    }

    #[test]
    fn only_what_runs_short_runs_short() {
        let part = |id, license: &str, until| Holding {
            virtual_account_id: VirtualAccountId(id),
            ..holding(license, 1, 0, until)
        };
        let holdings = [
            part(1, FABRIC, None),
            part(1, LAN, Some(300)),
            part(2, FABRIC, Some(200)),
            part(2, LAN, None),
            // It ends once more, later: the first time counts.
            part(3, LAN, Some(150)),
            part(3, LAN, Some(250)),
        ];
        let one = |id, license: &str, count| ((VirtualAccountId(id), license.to_owned()), count);
        let uses: Uses =
            [one(1, FABRIC, 1), one(1, LAN, 1), one(2, FABRIC, 1), one(2, LAN, 1), one(3, LAN, 2)]
                .into();
        let told: Vec<_> = balances(100, &holdings, &uses, tiers())
            .into_iter()
            .map(|view| (view.virtual_account_id.0, view.license, view.runs_short_at))
            .collect();
        assert_eq!(
            told,
            [
                (1, LAN.to_owned(), Some(300)),
                (1, FABRIC.to_owned(), None),
                (2, LAN.to_owned(), None),
                (2, FABRIC.to_owned(), Some(200)),
                (3, LAN.to_owned(), Some(150)),
            ]
        );
    }

    #[test]
    fn nothing_is_lent_that_is_not_there_nor_borrowed_that_is_not_lent() {
        // Any small book: each row by a slow look at all ways there are to give licences of tiers to packages.
        let mut seed = 1_u64;
        let mut below = |limit: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from((seed >> 33) % 1_000).unwrap_or(0) % limit
        };
        for _ in 0..2_000 {
            let mut owned: Vec<Holding> =
                tiers().iter().map(|tier| holding(&tier.license, below(4), 0, None)).collect();
            owned.push(holding(LAN, below(3), 0, None));
            owned.push(holding(FABRIC, below(3), 0, None));
            let used = [(LAN, below(7)), (FABRIC, below(7))];
            let views = balances(100, &owned, &uses(&used), tiers());
            let of = |license: &str| views.iter().find(|view| view.license == license);
            for (license, count) in used {
                let own: i64 =
                    owned.iter().filter(|h| h.license == license).map(|h| h.quantity).sum();
                let covering: i64 = tiers()
                    .iter()
                    .filter(|tier| tier.includes.iter().any(|included| included == license))
                    .flat_map(|tier| owned.iter().filter(|h| h.license == tier.license))
                    .map(|h| h.quantity)
                    .sum();
                let expected = (count - own).clamp(0, covering);
                let view = of(license).cloned();
                assert_eq!(view.as_ref().map_or(0, |view| view.substituted), expected);
                let balance = view.map_or(0, |view| view.balance);
                assert_eq!(balance, own + expected - count, "{owned:?} {used:?}");
            }
            for tier in tiers() {
                let Some(view) = of(&tier.license) else { continue };
                assert!((0..=view.purchased).contains(&-view.substituted), "{view:?}");
            }
        }
    }
}
