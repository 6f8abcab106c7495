//! The switches of a lab: told what their topology wants, until each is acknowledged or shows its fault.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use rumline_protocol::Timestamp;

use super::books::Books;
use super::carry;
use super::clone;
use super::description::{Description, Switch};
use super::fault::{CollectorFault, SwitchFault};
use super::lines::{self, SYNC, Way};
use super::plan::{Plan, PlannedSwitch};
use super::reach;
use super::state::is_of_before;
use super::up::Up;

const YEAR: i64 = 365 * Timestamp::DAY;
/// A switch that waits for so long asks again, so many times.
const PATIENCE: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 12;
const INSTALLED: &str = "TRUST_CODE_INSTALL_SUCCESS";

pub(super) async fn configure(
    up: &mut Up<'_>,
    described: &Description,
    books: &Books,
) -> Result<()> {
    let plan = up.plan;
    let pairs: Vec<(&PlannedSwitch, &Switch)> =
        plan.switches.iter().zip(&described.switches).collect();
    let mut token = None;
    let mut of_before = BTreeSet::new();
    for (planned, switch) in pairs.iter().filter(|(planned, _)| planned.clone_of.is_none()) {
        if is_of_before(&reach::run(&switch.ssh, "show license status").await?) {
            of_before.insert(&planned.name);
            say!(
                "  {}: its release is of before Smart Licensing Using Policy, and nothing was typed on it; install a \
                 later one, then `lab up` again",
                planned.name
            );
            continue;
        }
        let to_do = ToDo::of(plan, planned, described)?;
        // One that was started anew has forgotten what it said of its fault.
        let shows_again = up.started.contains(&planned.name) && to_do.is_told_again();
        if shows_again || !to_do.is_done(plan, planned) {
            to_do
                .carry_out(up, planned, switch, books, &mut token)
                .await
                .with_context(|| format!("{}: it could not be told what to do", planned.name))?;
        }
    }
    for (planned, switch) in &pairs {
        if planned.clone_of.is_some() || of_before.contains(&planned.name) {
            continue;
        }
        let shown = settled(plan, planned, switch, described, books).await;
        let shown = shown.with_context(|| planned.name.clone())?;
        say!("  {}: {shown}", planned.name);
    }
    for (planned, switch) in &pairs {
        if let Some((original, of)) = planned.clone_of.and_then(|place| pairs.get(place)) {
            clone::make(up, (original, of), (planned, switch), described, books).await?;
        }
    }
    Ok(())
}

/// What is to be typed on a switch.
struct ToDo {
    url: String,
    topology: u32,
    fault: Option<SwitchFault>,
    /// It first gets trust in an account that is not its collector's.
    is_of_another_account: bool,
    receiver: String,
    /// It has its trust code from the factory.
    has_trust: bool,
}

impl ToDo {
    fn of(plan: &Plan, planned: &PlannedSwitch, described: &Description) -> Result<Self> {
        let place = planned.collector;
        let collector = place.and_then(|place| described.collectors.get(place));
        let fault = place.and_then(|place| plan.collectors.get(place)).and_then(|one| one.fault);
        let receiver = described.cssm.receiver_url.clone();
        let url = match (planned.topology, collector) {
            (6, _) => String::new(),
            (2, _) => receiver.clone(),
            (_, collector) => collector.context("it has no collector")?.device_url.clone(),
        };
        let url = match planned.fault {
            Some(SwitchFault::WrongUrl) => lines::wrong_path(&url),
            Some(SwitchFault::Unreachable) => lines::elsewhere(&url, plan.nothing),
            _ => url,
        };
        Ok(Self {
            url,
            topology: planned.topology,
            fault: planned.fault,
            is_of_another_account: fault == Some(CollectorFault::WrongAccount),
            receiver,
            has_trust: planned.factory,
        })
    }

    fn text(&self) -> String {
        let Self { url, topology, fault, is_of_another_account, .. } = self;
        format!("{topology} {url} {fault:?} {is_of_another_account}\n")
    }

    fn is_done(&self, plan: &Plan, planned: &PlannedSwitch) -> bool {
        let done = std::fs::read_to_string(done_file(plan, &planned.name));
        done.is_ok_and(|done| done == self.text())
    }

    fn is_told_again(&self) -> bool {
        use SwitchFault::{ClockBehind, Unreachable, WrongUrl};
        matches!(self.fault, Some(ClockBehind | Unreachable | WrongUrl))
    }

    async fn carry_out(
        &self,
        up: &Up<'_>,
        planned: &PlannedSwitch,
        switch: &Switch,
        books: &Books,
        token: &mut Option<String>,
    ) -> Result<()> {
        let ssh = &switch.ssh;
        let now = rumline_net::LabClock::clock(Some(up.clock)).now();
        if self.fault == Some(SwitchFault::ClockBehind) {
            reach::run(ssh, &lines::set_clock(Timestamp(now.0 - YEAR))).await?;
        } else if done_file(up.plan, &planned.name).exists() {
            // It may have had that fault before.
            reach::run(ssh, &lines::set_clock(now)).await?;
        }
        if token.is_none() && (self.topology == 2 && !self.has_trust || self.is_of_another_account)
        {
            *token = Some(books.token(None).await?);
        }
        let many = token.clone().unwrap_or_default();
        if self.is_of_another_account {
            let first = format!("{}\n{}", Way::Smart(&self.receiver).lines(), lines::trust(&many));
            reach::run(ssh, &first).await?;
            reach::wait_for(ssh, "show logging", |log| log.contains(INSTALLED)).await?;
        }
        let way = match self.topology {
            2 => Way::Smart(&self.url),
            6 => Way::Off,
            _ => Way::Collector(&self.url),
        };
        reach::run(ssh, &way.lines()).await?;
        match self.fault {
            Some(SwitchFault::NoTrust) => {}
            Some(SwitchFault::TokenUsedUp) => {
                let one = books.token(Some(1)).await?;
                clone::use_up(up, planned, switch, &one, &self.receiver).await?;
                reach::run(ssh, &lines::trust(&one)).await?;
            }
            _ if self.topology == 2 && !self.has_trust => {
                reach::run(ssh, &lines::trust(&many)).await?;
                if self.fault.is_none() || self.fault == Some(SwitchFault::Clone) {
                    // One that had trust before says that it has.
                    let has =
                        |log: &str| log.contains(INSTALLED) || log.contains("already installed");
                    reach::wait_for(ssh, "show logging", has).await?;
                }
            }
            _ => {}
        }
        if self.topology != 6 {
            reach::run(ssh, SYNC).await?;
        }
        let file = done_file(up.plan, &planned.name);
        std::fs::create_dir_all(up.plan.dir.join("done"))?;
        std::fs::write(file, self.text())?;
        say!("  {}: told what topology {} wants", planned.name, self.topology);
        Ok(())
    }
}

pub(super) fn done_file(plan: &Plan, name: &str) -> PathBuf {
    plan.dir.join("done").join(name)
}

fn is_acknowledged(status: &str) -> bool {
    status.contains("Last ACK received: ") && !status.contains("Last ACK received: <none>")
}

/// Waits until a switch is acknowledged or shows its fault; says which.
async fn settled(
    plan: &Plan,
    planned: &PlannedSwitch,
    switch: &Switch,
    described: &Description,
    books: &Books,
) -> Result<String> {
    let ssh = &switch.ssh;
    let collector = planned.collector.and_then(|place| plan.collectors.get(place));
    if let Some(fault) = planned.fault.filter(|fault| *fault != SwitchFault::Clone) {
        let sign = fault.sign().unwrap_or_default();
        // One that was started anew has forgotten its log, and says it again in other words.
        let shows = |log: &str| log.contains(sign) || log.contains("COMM_FAILED");
        if !shows(&reach::run(ssh, "show logging").await?) {
            reach::run(ssh, SYNC).await?;
        }
        let log = reach::wait_for(ssh, "show logging", shows).await?;
        let mut lines = log.lines().rev();
        let told = lines.clone().find(|line| line.contains(sign));
        let told = told.or_else(|| lines.find(|line| line.contains("COMM_FAILED")));
        let told = told.and_then(|line| line.split_once('%'));
        let told = told.map_or("it does not show yet", |(_, text)| text);
        return Ok(format!("fault {}: {told}", fault.word()));
    }
    if let Some(fault) = collector.and_then(|one| one.fault) {
        let wanted =
            if fault == CollectorFault::WrongAccount { carry::is_refused } else { carry::waits };
        let waiting = carry::wait_for_reports(described, planned, wanted).await?;
        let name = collector.map(|one| one.name.as_str()).unwrap_or_default();
        return Ok(format!("fault {} of {name}: {waiting} reports wait there", fault.word()));
    }
    let status = reach::run(ssh, "show license status").await?;
    if !is_acknowledged(&status) {
        match planned.topology {
            3 | 5 => carry::from_collector(described, planned, books).await?,
            6 => carry::from_switch(plan, planned, switch, books).await?,
            _ => {}
        }
        if matches!(planned.topology, 3 | 5) {
            // The switch asks again by itself within 15 minutes; a person does not wait for that.
            reach::run(ssh, SYNC).await?;
        }
    }
    let mut status = String::new();
    for _ in 0..ATTEMPTS {
        status = reach::wait_within(ssh, "show license status", is_acknowledged, PATIENCE).await?;
        if is_acknowledged(&status) || planned.topology == 6 {
            break;
        }
        reach::run(ssh, SYNC).await?;
    }
    anyhow::ensure!(
        is_acknowledged(&status),
        "no report of it was acknowledged; `show logging` on it says why ({})",
        ssh.command()
    );
    Ok("acknowledged".to_owned())
}
