//! Jobs over the API, and the work on them (CSSM-005, 013).

use std::time::Duration;

use axum::extract::{Extension, Path, State};
use rumline_cssm::{Caller, Cssm, Error, JobId, JobView, NewJob, SmartAccountId};
use rumline_protocol::Timestamp;

use crate::asked::{Asked, Sent};
use crate::cssm::CssmSite;
use crate::cssm::api::{Answer, Before, run};
use crate::operation::{Done, done};
use crate::site::{Site, blocking};

pub(super) async fn create(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(new): Sent<NewJob>,
) -> Answer<JobView> {
    run(&state, move |cssm, now| cssm.add_job(now, &caller.actor(), sa, &new)).await
}

pub(super) async fn list(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Asked(Before { before }): Asked<Before>,
) -> Answer<Vec<JobView>> {
    run(&state, move |cssm, _| cssm.jobs(sa, before)).await
}

pub(super) async fn one(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, JobId)>,
) -> Answer<JobView> {
    run(&state, move |cssm, _| cssm.job(sa, id)).await
}

pub(super) async fn cancel(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, JobId)>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.cancel_job(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

/// What this process does with jobs, when no other does.
pub const JOBS: &str = "jobs";
/// How often is looked for jobs that were begun.
const LOOK: Duration = Duration::from_secs(1);
/// Pieces of a job before another one has its turn.
const TURN: usize = 10;

/// Works on all jobs in turns, also on those that were cut short, until the server ends.
pub async fn work_on_jobs(state: CssmSite) {
    loop {
        state.background.mine(JOBS).await;
        let (cssm, now) = (state.cssm.clone(), state.now());
        match blocking(move || one_turn(&cssm, now)).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(problem) => tracing::warn!(why = problem.detail(), "jobs could not go on"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says whether there is more to do. What goes wrong with one job keeps no other from its turn.
fn one_turn(cssm: &Cssm, now: Timestamp) -> Result<bool, Error> {
    let (mut is_more, mut wrong) = (false, None);
    for (sa, id) in cssm.running_jobs()? {
        for turn in 1..=TURN {
            match cssm.work_on_job(now, sa, id) {
                Ok(true) => is_more |= turn == TURN,
                Ok(false) => break,
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
    }
    wrong.map_or(Ok(is_more), Err)
}
