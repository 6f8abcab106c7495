//! Jobs: what is done to many product instances, and how far it is (ours; CSSM-005).

use maud::{Markup, html};
use rumline_cssm::{
    Action, Error, JobKind, JobState, JobView, SmartAccountId, VirtualAccount, VirtualAccountId,
};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Jobs on one page.
const ROWS: usize = 100;

pub(super) struct Jobs {
    place: Place,
    /// Those that were closed too, for their names.
    ever: Vec<VirtualAccount>,
    jobs: Vec<JobView>,
    next: Option<String>,
}

impl Page<CssmSite> for Jobs {
    const AT: &'static str = "/smart-accounts/{sa}/jobs";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let sa: SmartAccountId = ask.id("sa")?;
        let before = Trail::of(ask).place().parse().ok();
        let mut jobs = site.cssm.jobs(sa, before)?;
        let is_more = jobs.len() > ROWS;
        jobs.truncate(ROWS);
        let next = jobs.last().filter(|_| is_more).map(|job| job.id.to_string());
        Ok(Self {
            place: Place::read(site, ask)?,
            ever: site.cssm.virtual_accounts_ever(sa)?,
            jobs,
            next,
        })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Jobs")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let may = self.place.may(ask, Action::Administer);
        let at = self.place.at("/jobs");
        let is_working = self.jobs.iter().any(|job| job.state == JobState::Running);
        let mut columns = vec![
            Column::new("Job", Kind::Text, |job: &JobView| self.words(job)),
            Column::new("State", Kind::Text, state),
            Column::new("Done", Kind::Number, |job: &JobView| {
                let more = if job.total_is_exact { "" } else { "more than " };
                html! { (job.done) " of " (more) (job.total) }
            }),
            Column::new("Asked", Kind::Text, |job: &JobView| {
                html! { (time(Some(job.asked_at))) " by " (job.asked_by) }
            }),
            Column::new("Ended", Kind::Text, |job: &JobView| time(job.ended_at)),
        ];
        if may {
            columns.push(Column::new("Actions", Kind::Text, |job: &JobView| {
                html! { @if job.state == JobState::Running {
                    (button(&format!("{at}/{}/cancel", job.id), "Cancel",
                        Some("Cancel this job? What was done stays.")))
                } }
            }));
        }
        let empty = html! {
            p { "Nothing is being done to many product instances, and nothing was." }
            p { code { "rumline cssm transfer-instances --search" } " and "
                code { "remove-instances" } " begin jobs." }
        };
        let list = Table { caption: "Jobs", columns, rows: &self.jobs, ticks: None, empty };
        html! {
            (self.place.path(""))
            h1 { "Jobs" }
            div id="list" data-refresh=(ask.with(&[])) data-every=(if is_working { "2" } else { "" }) {
                (list.show(ask))
            }
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

impl Jobs {
    fn name(&self, id: Option<VirtualAccountId>) -> &str {
        let part = id.and_then(|id| self.ever.iter().find(|part| part.id == id));
        part.map_or("all virtual accounts", |part| part.name.as_str())
    }

    /// What a job does, in words.
    fn words(&self, job: &JobView) -> Markup {
        let new = &job.new;
        let (of, into) = (self.name(new.virtual_account_id), new.into_virtual_account_id);
        html! {
            @match new.kind {
                JobKind::Transfer => { "Transfer of " },
                JobKind::Remove => { "Removal of " },
                JobKind::Merge => { "Merge of " },
            }
            @if new.search.is_empty() { "all" } @else { "“" (new.search) "”" }
            " of " (of)
            @if into.is_some() { " into " (self.name(into)) }
        }
    }
}

fn state(job: &JobView) -> Markup {
    html! {
        @match job.state {
            JobState::Running => span.badge.warn { "running" },
            JobState::Done => span.badge.good { "done" },
            JobState::Cancelled => span.badge { "cancelled" },
            JobState::Failed => { span.badge.bad { "failed" } " " (job.problem) },
        }
        @if job.state == JobState::Running {
            progress max=(job.total.max(1)) value=(job.done) aria-label="How far it is" {}
        }
    }
}

/// Somebody ends a job.
pub(super) struct Cancel;

impl Post<CssmSite> for Cancel {
    type Page = Jobs;
    const AT: &'static str = "/smart-accounts/{sa}/jobs/{id}/cancel";
    const ACCESS: Access = Access::May(Action::Administer);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (sa, id) = (ask.id("sa")?, ask.id("id")?);
        site.cssm.cancel_job(ask.now, &ask.caller.actor(), sa, id)?;
        Ok(Done::at(
            format!("/smart-accounts/{sa}/jobs"),
            "The job is cancelled; what was done stays.",
        ))
    }
}
