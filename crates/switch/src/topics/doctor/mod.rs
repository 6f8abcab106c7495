//! The doctor: what is wrong with licensing on this switch, by name, with the line that shows it and the commands that mend it
//! (TSHOOT-001 to 005).

mod signs;
mod way;
mod worked;

use rumline_cli::Fields;
use rumline_doctor::{Finding, diagnose, render};

pub use way::signs_of_configuration;
pub(crate) use worked::Worked;
pub use worked::damaged_way;

use crate::Switch;
use crate::answer::Answer;
use crate::command::{Call, Command, Topic};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[Command::anyone("show license doctor", show).of_policy()],
    settings: &[],
};

fn show(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let findings = diagnose(switch.license_signs(call.now, call.devices.store));
    call.shown(|| render(&findings), || fields(&findings))
}

fn fields(findings: &[Finding]) -> Fields {
    let rows = findings.iter().map(|finding| {
        let lines = finding.mend.iter().map(|line| Fields::new().text("line", line));
        Fields::new()
            .text("fault", finding.fault.name())
            .text("title", finding.fault.title())
            .text("evidence", &finding.evidence)
            .text("guide", finding.fault.guide())
            .table("mend", lines.collect::<Vec<_>>())
    });
    Fields::new().number("count", findings.len() as u64).table("finding", rows)
}
