//! An estate to try things out on: product instances by the thousand, whose signed reports go the way all reports go.

use rumline_catalogue::{Catalogue, Platform, Variant};
use rumline_protocol::{
    EntitlementTag, HaMember, Lineage, Measurement, PreviousReport, Role, RumReport, SignedReport,
    Signer, Timestamp, Udi, base64, from_base64, sign_report,
};

use crate::checked::{VerifiedReport, key_text};
use crate::collected::{self, Hop, VerifiedDevice};
use crate::ids::{Account, SmartAccountId, VirtualAccountId};
use crate::instances::About;
use crate::parallel;
use crate::purchases::{Purchase, PurchaseKind};
use crate::{Actor, Cssm, Error};

/// Product instances that are made at a time.
const BATCH: u64 = 1_000;
/// The most of them.
const INSTANCES_MAX: u64 = 10_000_000;
/// Its name, and the domain of it.
const NAME: (&str, &str) = ("Seed Lab", "seed-lab.example");
/// How long ago the oldest reported, in days; those that are late did so before.
const DAYS: i64 = 60;

/// Its virtual accounts, of which the first holds most.
const PARTS: [&str; 12] = [
    "Data Center North",
    "Data Center South",
    "Data Center East",
    "Data Center West",
    "Campus Berlin",
    "Campus Boston",
    "Campus Bangalore",
    "Branches",
    "Factory",
    "Laboratory",
    "Disaster Recovery",
    "Air Gap",
];

/// A number that looks like chance, and is the same each time.
fn scattered(number: u64, salt: u64) -> u64 {
    // The finisher of SplitMix64.
    let mut x = number.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn below(number: u64, salt: u64, limit: u64) -> u64 {
    scattered(number, salt) % limit.max(1)
}

fn seconds(number: u64, salt: u64, limit: i64) -> i64 {
    i64::try_from(below(number, salt, limit.unsigned_abs())).unwrap_or(0)
}

fn pick<T>(all: &[T], number: u64) -> Option<&T> {
    let place = usize::try_from(number).ok()?.checked_rem(all.len())?;
    all.get(place)
}

/// What makes up the estate: the same for each product instance.
struct Plan<'a> {
    now: Timestamp,
    smart_account_id: SmartAccountId,
    parts: Vec<VirtualAccountId>,
    platforms: Vec<(&'a Platform, Vec<&'a Variant>)>,
    versions: Vec<&'a str>,
    signer: &'a dyn Signer,
    cssm: &'a str,
}

impl Plan<'_> {
    fn account(&self, number: u64) -> Account {
        // Each place holds about two thirds of what the one before holds.
        let place = (0..self.parts.len()).find(|place| {
            let salt = 100 + u64::try_from(*place).unwrap_or(0);
            below(number, salt, 3) == 0
        });
        (self.smart_account_id, self.parts[place.unwrap_or(0)])
    }

    /// When it reported: one in five hundred is late.
    fn reported_at(&self, number: u64) -> Timestamp {
        let late = if below(number, 1, 500) == 0 { 400 * Timestamp::DAY } else { 0 };
        self.now + -(late + seconds(number, 2, DAYS * Timestamp::DAY))
    }

    fn report(
        &self,
        number: u64,
        udi: &Udi,
        tag: &EntitlementTag,
        position: u64,
        before: Option<&SignedReport>,
    ) -> SignedReport {
        let at = self.reported_at(number);
        let (whole, half) =
            (Timestamp::DAY * 30, seconds(number, 3 + position, 15 * Timestamp::DAY));
        let count = u32::try_from(below(number, 5 + position, 40) / 39 * 15).unwrap_or(0) + 1;
        let middle = at + -half;
        let span = |start_time, end_time, count| Measurement {
            log_time: end_time,
            start_time,
            end_time,
            count,
            termination_reason: None,
            clock_change_delta: None,
            resolution_seconds: None,
        };
        let report = RumReport {
            software_tag: String::new(),
            udi: udi.clone(),
            product_instance_identifier: format!("seed-{number}"),
            asset_signature: None,
            entitlement_tag: tag.clone(),
            report_id: u64::try_from(at.0).unwrap_or(0) + position,
            software_version: "10.4(3)".to_owned(),
            previous: before.map(|before| PreviousReport {
                report_id: before.report.report_id,
                sha256: base64(&before.sha256()),
            }),
            lineage: Some(Lineage {
                audience: self.cssm.to_owned(),
                position,
                ..Lineage::default()
            }),
            ha_udi: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
            measurements: vec![span(at + -whole, middle, 1), span(middle, at, count)],
        };
        sign_report(report, self.signer)
    }

    fn device(&self, number: u64) -> Option<(Account, Timestamp, VerifiedDevice)> {
        let (platform, variants) = pick(&self.platforms, scattered(number, 9))?;
        let udi = Udi::new(&platform.pid, &format!("SEED{number:07}")).ok()?;
        let uses = 1 + usize::from(below(number, 10, 3) == 0);
        let mut chain: Vec<SignedReport> = Vec::new();
        for (variant, position) in variants.iter().take(uses).zip(1..) {
            chain.push(self.report(number, &udi, &variant.tag, position, chain.last()));
        }
        // One in five hundred of those with two lacks the first.
        if chain.len() > 1 && below(number, 11, 500) == 0 {
            chain.remove(0);
        }
        let signing_key = key_text(self.signer.public_key());
        let reports = chain.into_iter().filter_map(|signed| {
            Some(VerifiedReport {
                sha256: signed.sha256(),
                signing_key: signing_key.clone(),
                signature: from_base64(&signed.signature.value)?,
                payload: signed.payload,
                report: signed.report,
            })
        });
        let (rack, site) = (1 + number % 40, number / 40 % 500);
        let role = if platform.supervisors > 1 { "spine" } else { "leaf" };
        let about = About {
            identifier: format!("seed-{number}"),
            hostname: Some(format!("{role}-{number}.rack-{rack}.site-{site}")),
            software_version: pick(&self.versions, scattered(number, 12)).map(|v| (*v).to_owned()),
            software_tag: Catalogue::nexus().software_tag(platform).to_owned(),
        };
        let device = VerifiedDevice {
            document: "".into(),
            udi,
            key: self.signer.public_key().clone(),
            reports: reports.collect(),
            refused: Vec::new(),
            trust_requests: Vec::new(),
            about,
            older: None,
        };
        Some((self.account(number), self.reported_at(number), device))
    }
}

/// Models that use a licence, with the variants of the licences that they use.
fn platforms(catalogue: &Catalogue) -> Vec<(&Platform, Vec<&Variant>)> {
    let of = |platform: &Platform| {
        let packages = catalogue.packages().iter();
        packages.filter_map(|p| catalogue.variant(&p.name, &platform.class)).collect::<Vec<_>>()
    };
    let all = catalogue.platforms().iter().map(|platform| (platform, of(platform)));
    all.filter(|(_, variants)| !variants.is_empty()).collect()
}

impl Cssm {
    /// Makes an estate to try things out on, as a smart account of its own: so many product instances in twelve virtual
    /// accounts, with reports of the last three months that `signer` signed for all of them, some late, some with gaps, and
    /// purchases, some of which are short or end soon. `told` hears how many there are.
    ///
    /// # Errors
    /// When there is one already, or the store fails.
    pub fn seed_lab(
        &self,
        now: Timestamp,
        actor: &Actor,
        instances: u64,
        signer: &dyn Signer,
        told: &mut dyn FnMut(u64),
    ) -> Result<SmartAccountId, Error> {
        if !(1..=INSTANCES_MAX).contains(&instances) {
            return Err(Error::invalid("a seed lab has 1 to 10,000,000 product instances"));
        }
        let catalogue = Catalogue::nexus();
        let smart_account_id = self.create_smart_account(now, actor, NAME.0, NAME.1)?.id;
        let mut parts = Vec::new();
        for name in PARTS {
            parts.push(self.create_virtual_account(now, actor, smart_account_id, name)?.id);
        }
        let plan = Plan {
            now,
            smart_account_id,
            parts,
            platforms: platforms(catalogue),
            versions: catalogue.releases().iter().rev().take(8).map(|r| r.nxos.as_str()).collect(),
            signer,
            cssm: &self.id,
        };
        for first in (0..instances).step_by(usize::try_from(BATCH).unwrap_or(1)) {
            let numbers = (first..instances.min(first + BATCH)).collect();
            let devices = parallel::map(numbers, |number| plan.device(number));
            self.db.write("seed.batch", move |tx| {
                for (account, at, device) in devices.iter().flatten() {
                    collected::take(tx, *at, *account, device, Hop::Person(None), "seed")?;
                }
                Ok::<_, Error>(())
            })?;
            told(instances.min(first + BATCH));
        }
        self.seed_purchases(now, actor, smart_account_id)?;
        Ok(smart_account_id)
    }

    /// Somewhat more than is in use, or somewhat less.
    fn seed_purchases(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
    ) -> Result<(), Error> {
        for (number, view) in (0_u64..).zip(self.licenses(now, smart_account_id)?) {
            let hundredths = 90 + seconds(number, 20, 40);
            let (kind, lasts_days) = match below(number, 21, 3) {
                0 => (PurchaseKind::Perpetual, None),
                1 => (PurchaseKind::Term, Some(5 + seconds(number, 22, 700))),
                _ => (PurchaseKind::Subscription, Some(20 + seconds(number, 23, 1_000))),
            };
            let purchase = Purchase {
                license: view.license,
                quantity: (view.in_use * hundredths / 100).max(1),
                kind,
                starts_at: now.0 - 200 * Timestamp::DAY,
                ends_at: lasts_days.map(|days| now.0 + days * Timestamp::DAY),
                order_number: format!("SEED-{number}"),
            };
            self.add_purchase(now, actor, smart_account_id, view.virtual_account_id, &purchase)?;
        }
        Ok(())
    }
}
