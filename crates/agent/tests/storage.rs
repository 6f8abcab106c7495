//! What is written for a change of use, and what waits (P7).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;
use rumline_testkit::Chance;

fn license(index: usize, count: u32) -> LicenseUse {
    let tag =
        format!("regid.2019-06.com.cisco.LICENSE_{index}_Nexus9300_XF,1.0_0c5ab3f4-8a3b-4a2f-9c1e");
    LicenseUse { tag: EntitlementTag::new(&tag).unwrap(), ..lan(count) }
}

/// Changes use at random, and returns the bytes a change costs on average.
fn bytes_a_change(licenses: usize, changes: u32) -> u64 {
    let mut lab = Lab::trusted(Config { transport: Transport::Off, ..Config::default() });
    let mut chance = Chance::of(licenses as u64);
    let mut counts = vec![1; licenses];
    let before = lab.disk.bytes_written;
    for _ in 0..changes {
        lab.now = lab.now + 1 + i64::try_from(chance.below(600)).unwrap();
        let index = usize::try_from(chance.below(licenses as u64)).unwrap();
        counts[index] =
            if counts[index] == 1 { 2 + u32::try_from(chance.below(30)).unwrap() } else { 1 };
        let set = counts.iter().enumerate().map(|(index, count)| license(index, *count));
        lab.handle(Input::Use(set.collect()));
    }
    (lab.disk.bytes_written - before) / u64::from(changes)
}

#[test]
fn a_change_of_use_writes_a_kilobyte_or_four_with_eight_licenses() {
    let (one, eight) = (bytes_a_change(1, 10_000), bytes_a_change(8, 10_000));
    println!("{one} bytes a change with one licence, {eight} with eight");
    assert!(one <= 1_024, "{one}");
    assert!(eight <= 4_096, "{eight}");
}

/// A switch that nobody acknowledges: so many reports wait.
fn with_waiting(reports: u64) -> Lab {
    let mut lab = Lab::trusted(Config { transport: Transport::Off, ..Config::default() });
    for round in 0..u32::try_from(reports).unwrap() {
        lab.now = lab.now + 60;
        lab.handle(Input::Use(vec![license(0, 1 + round % 2)]));
        // Closes what is open.
        lab.handle(Input::Shutdown);
    }
    lab
}

/// Count times seconds of each UTC day, as all reports tell it.
fn by_day(text: &str) -> std::collections::BTreeMap<i64, i64> {
    let mut sums = std::collections::BTreeMap::new();
    for signed in Document::parse(text.as_bytes()).unwrap().reports {
        for m in &signed.report.measurements {
            let (mut at, end) = (m.start_time.0, m.end_time.0);
            while at < end {
                let until = end.min((at / 86_400 + 1) * 86_400);
                *sums.entry(at / 86_400).or_default() += i64::from(m.count) * (until - at);
                at = until;
            }
        }
    }
    sums
}

#[test]
fn what_waits_is_bounded_and_each_days_sum_stays_exact() {
    let mut lab = with_waiting(8_191);
    assert_eq!(lab.log, Vec::<String>::new());
    let begin = lab.now;
    let mut wanted = std::collections::BTreeMap::new();
    let mut count = 1;
    let mut change = |lab: &mut Lab, seconds: i64, next: u32| {
        for second in lab.now.0..lab.now.0 + seconds {
            *wanted.entry(second / 86_400).or_default() += i64::from(count);
        }
        lab.now = lab.now + seconds;
        lab.handle(Input::Use(vec![license(0, next)]));
        count = next;
    };
    // One more, and from then on a change each minute for weeks.
    change(&mut lab, 60, 3);
    lab.handle(Input::Shutdown);
    let told = "%LICMGR-4-LOG_SMART_LIC_USAGE_COARSENED: 8192 usage reports wait to be acknowledged: of further \
                use each day's sum is kept, and no longer when in the day it was.";
    assert_eq!(lab.log, [told]);
    let bytes = |lab: &Lab| lab.disk.files.values().map(Vec::len).sum::<usize>();
    let before = bytes(&lab);
    for minute in 0..30 * 1_440_u32 {
        change(&mut lab, 60, 1 + minute % 7);
    }
    assert_eq!(lab.agent.report_counts()[1], 8_193, "one more after 200 spans");
    let grown = bytes(&lab).saturating_sub(before);
    assert!(grown < 700_000, "{grown} bytes for 30 days with a change each minute");
    assert_eq!(lab.log.len(), 1, "once: {:?}", lab.log);
    lab.reboot();
    let text = lab.save_usage().unwrap();
    let mut told = by_day(&text);
    told.retain(|day, _| *day > begin.0 / 86_400);
    wanted.retain(|day, _| *day > begin.0 / 86_400);
    assert_eq!(told, wanted);
    let reports = Document::parse(text.as_bytes()).unwrap().reports;
    let last = &reports.last().unwrap().report;
    assert!(last.measurements.iter().all(|m| m.resolution_seconds == Some(86_400)), "it says so");
    assert!(last.measurements.len() < 320, "{}", last.measurements.len());
    // All is acknowledged: times are exact again.
    let acks = lab.ack_for(&reports);
    assert!(lab.import(&acks).is_ok());
    for minute in 0..10 {
        lab.now = lab.now + 60;
        lab.handle(Input::Use(vec![license(0, 1 + minute % 2)]));
    }
    let text = lab.save_usage().unwrap();
    let exact = Document::parse(text.as_bytes()).unwrap().reports.pop().unwrap().report;
    assert!(exact.measurements.len() >= 10, "{exact:?}");
    assert!(exact.measurements.iter().all(|m| m.resolution_seconds.is_none()));
}
