//! What is done to many product instances (CSSM-005, 013): a job goes through them piece by piece, each piece in one
//! transaction with the place it has come to, so that nobody waits for it and it goes on where it was cut short.

use std::collections::BTreeSet;

use rumline_protocol::Timestamp;
use rumline_server::next_id;
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::finding::{self, Search, SortBy};
use crate::ids::{InstanceId, JobId, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error, Only, claims, closing, instances, inventory};

/// Product instances of a piece: nobody waits longer than for these.
const PIECE: i64 = 200;
/// Jobs of an account that may go on at a time.
const RUNNING_MAX: i64 = 10;
/// Jobs in a list.
const LISTED_MAX: i64 = 1_000;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Moves product instances to another virtual account.
    Transfer,
    /// Removes product instances, and frees their licences.
    Remove,
    /// Moves all that a virtual account has into another one, and closes it.
    Merge,
}

impl JobKind {
    const ALL: [Self; 3] = [Self::Transfer, Self::Remove, Self::Merge];

    fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Remove => "remove",
            Self::Merge => "merge",
        }
    }
}

/// A job that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What is done.
    pub kind: JobKind,
    /// To those that a list with this search holds; all when empty.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub search: String,
    /// Looks only there.
    #[serde(default)]
    pub sort: Option<SortBy>,
    /// Of this virtual account; of all when missing.
    #[serde(default)]
    pub virtual_account_id: Option<VirtualAccountId>,
    /// Where to.
    #[serde(default)]
    pub into_virtual_account_id: Option<VirtualAccountId>,
}

impl NewJob {
    fn check(&self) -> Result<(), Error> {
        let Self { kind, search, sort, virtual_account_id, into_virtual_account_id } = self;
        self.sought().check()?;
        if search.trim().is_empty() && virtual_account_id.is_none() {
            let text = "say which product instances: by `search`, by `virtual_account_id`, or both";
            return Err(Error::field("search", text));
        }
        if (*kind == JobKind::Remove) == into_virtual_account_id.is_some() {
            let text =
                "`into_virtual_account_id` says where a transfer or a merge goes, and nothing else";
            return Err(Error::field("into_virtual_account_id", text));
        }
        if into_virtual_account_id.is_some() && into_virtual_account_id == virtual_account_id {
            let text = "they are there already: choose two virtual accounts";
            return Err(Error::field("into_virtual_account_id", text));
        }
        let is_whole = search.trim().is_empty() && sort.is_none() && virtual_account_id.is_some();
        if *kind == JobKind::Merge && !is_whole {
            let text = "a whole virtual account is merged, `virtual_account_id`";
            return Err(Error::field("virtual_account_id", text));
        }
        Ok(())
    }

    fn sought(&self) -> Search {
        Search { text: self.search.trim().to_owned(), sort_by: self.sort, descending: false }
    }

    fn of(&self) -> Only<rumline_server::PartId> {
        self.virtual_account_id.map_or(Only::All, |part| Only::These([part.into()].into()))
    }
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It goes on.
    Running,
    /// All is done.
    Done,
    /// Somebody ended it: what was done stays.
    Cancelled,
    /// It cannot go on; `problem` says why, and what was done stays.
    Failed,
}

impl JobState {
    const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Cancelled, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// What was asked for.
    #[serde(flatten)]
    pub new: NewJob,
    /// Where it is.
    pub state: JobState,
    /// Product instances there were to go through when it began, counted to 10,000 where they were searched for.
    pub total: i64,
    /// Whether there were no more.
    pub total_is_exact: bool,
    /// Those it has moved or removed; some may be where they shall go already.
    pub done: i64,
    /// Why it cannot go on.
    pub problem: String,
    /// When it was asked for.
    pub asked_at: i64,
    /// By whom.
    pub asked_by: String,
    /// When it ended.
    pub ended_at: Option<i64>,
}

/// A job as it is worked on.
struct Job {
    view: JobView,
    actor: Actor,
    /// Where it goes on.
    next: String,
    /// The newest product instance there was when it was asked for: it was not about any that came afterwards.
    newest_id: InstanceId,
}

const COLUMNS: &str = "id, kind, search, sort_by, virtual_account_id, into_virtual_account_id,
    state, total, total_is_exact, done, problem, asked_at, asked_by, ended_at, address, reason,
    next, newest_id";

impl Job {
    fn read(row: &Row<'_>) -> Result<Self, Error> {
        let (kind, sort, state) = (row.text(1)?, row.opt_text(3)?, row.text(6)?);
        let unknown = || Error::invalid("the stored job is damaged");
        let kind = JobKind::ALL.into_iter().find(|one| one.name() == kind).ok_or_else(unknown)?;
        let state = JobState::ALL.into_iter().find(|one| one.name() == state);
        let new = NewJob {
            kind,
            search: row.text(2)?,
            sort: sort.and_then(|name| SortBy::from_name(&name)),
            virtual_account_id: row.opt_id(4)?,
            into_virtual_account_id: row.opt_id(5)?,
        };
        let view = JobView {
            id: row.id(0)?,
            new,
            state: state.ok_or_else(unknown)?,
            total: row.int(7)?,
            total_is_exact: row.flag(8)?,
            done: row.int(9)?,
            problem: row.text(10)?,
            asked_at: row.int(11)?,
            asked_by: row.text(12)?,
            ended_at: row.opt_int(13)?,
        };
        let (address, reason) = (row.opt_text(14)?, row.opt_text(15)?);
        let actor = Actor::person(&view.asked_by);
        let actor = actor.at(address.as_deref()).because(reason.as_deref());
        Ok(Self { view, actor, next: row.text(16)?, newest_id: row.id(17)? })
    }

    fn words(&self) -> String {
        let NewJob { kind, search, .. } = &self.view.new;
        let what = if search.is_empty() { String::new() } else { format!(" of {search:?}") };
        format!("job {} ({}{what})", self.view.id, kind.name())
    }
}

fn one(tx: &mut Tx<'_>, smart_account_id: SmartAccountId, id: JobId) -> Result<Job, Error> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE smart_account_id = $1 AND id = $2");
    let found = tx.row(&sql, &[smart_account_id.into(), id.into()], Job::read)?;
    found.ok_or(Error::NotFound("job"))
}

/// A merge takes what is there: two that feed each other would never end, and nobody moves into what is merged away.
fn in_nobodys_way(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    new: &NewJob,
) -> Result<(), Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM job WHERE smart_account_id = $1 AND state = 'running' ORDER BY id"
    );
    let parts = |job: &NewJob| -> BTreeSet<VirtualAccountId> {
        [job.virtual_account_id, job.into_virtual_account_id].into_iter().flatten().collect()
    };
    for running in tx.rows(&sql, &[smart_account_id.into()], Job::read)? {
        let merges = [new.kind, running.view.new.kind].contains(&JobKind::Merge);
        if merges && !parts(new).is_disjoint(&parts(&running.view.new)) {
            let text = format!("{} goes on there: wait for it, or cancel it", running.words());
            return Err(Error::Conflict(text));
        }
    }
    Ok(())
}

/// A job ends.
fn end(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    job: &Job,
    (state, problem): (JobState, &str),
) -> Result<(), Error> {
    let sql = "UPDATE job SET state = $1, problem = $2, ended_at = $3
        WHERE smart_account_id = $4 AND id = $5 AND state = 'running'";
    let values = [
        state.name().into(),
        problem.into(),
        now.0.into(),
        smart_account_id.into(),
        job.view.id.into(),
    ];
    tx.execute(sql, &values)?;
    let why = if problem.is_empty() { String::new() } else { format!(": {problem}") };
    let text = format!("{} {}{why}", job.words(), state.name());
    add_event(tx, now, smart_account_id, &job.actor, &text)
}

/// One piece of a job; says whether there is more.
fn work(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    id: JobId,
) -> Result<bool, Error> {
    let job = one(tx, smart_account_id, id)?;
    if job.view.state != JobState::Running {
        return Ok(false);
    }
    let NewJob { kind, virtual_account_id, into_virtual_account_id, .. } = &job.view.new;
    let into = into_virtual_account_id.unwrap_or_default();
    let (changed, next) = match kind {
        JobKind::Merge => {
            let from = virtual_account_id.unwrap_or_default();
            let (moved, is_over) =
                closing::merge_piece(tx, now, &job.actor, smart_account_id, (from, into), PIECE)?;
            (moved, (!is_over).then(String::new))
        }
        JobKind::Transfer | JobKind::Remove => {
            if *kind == JobKind::Transfer {
                virtual_account(tx, smart_account_id, into)?;
            }
            let of = (&job.view.new.of(), &job.view.new.sought());
            let found = finding::matching(tx, smart_account_id, of, &job.next, PIECE)?;
            let next = found.last().map(|(_, next)| next.clone());
            let ids: BTreeSet<InstanceId> =
                found.into_iter().map(|(id, _)| id).filter(|id| *id <= job.newest_id).collect();
            let mut changed = 0;
            for id in ids {
                let mut instance = instances::of_account(tx, smart_account_id, id)?;
                match kind {
                    JobKind::Remove => {
                        inventory::remove(tx, now, &job.actor, smart_account_id, &instance)?;
                    }
                    _ if instance.virtual_account_id == into => continue,
                    _ => claims::move_and_tell(tx, now, &job.actor, &mut instance, into)?,
                }
                changed += 1;
            }
            (changed, next)
        }
    };
    let sql = "UPDATE job SET done = done + $1, next = $2 WHERE smart_account_id = $3 AND id = $4";
    let place = next.clone().unwrap_or_default();
    let values = [changed.into(), (&place).into(), smart_account_id.into(), id.into()];
    tx.execute(sql, &values)?;
    if next.is_none() {
        end(tx, now, smart_account_id, &job, (JobState::Done, ""))?;
    }
    Ok(next.is_some())
}

impl Cssm {
    /// Writes down a job, and works on its first piece.
    ///
    /// # Errors
    /// When it makes no sense, what it names is not there, or too many jobs go on.
    pub fn add_job(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        new: &NewJob,
    ) -> Result<JobView, Error> {
        new.check()?;
        let count = self.count_instances(smart_account_id, &new.of(), &new.sought())?;
        let (new, by) = (new.clone(), actor.clone());
        let id = self.db.write("jobs.add", move |tx| {
            smart_account(tx, smart_account_id)?;
            for part in [new.virtual_account_id, new.into_virtual_account_id].into_iter().flatten()
            {
                virtual_account(tx, smart_account_id, part)?;
            }
            if let (JobKind::Merge, Some(from)) = (new.kind, new.virtual_account_id) {
                closing::check_merge(tx, now, smart_account_id, from)?;
            }
            let sql = "SELECT COUNT(*) FROM job WHERE smart_account_id = $1 AND state = 'running'";
            let running = tx.row(sql, &[smart_account_id.into()], |row| row.int(0))?;
            if running.unwrap_or(0) >= RUNNING_MAX {
                let text = format!("{RUNNING_MAX} jobs go on: wait for one, or cancel it");
                return Err(Error::Conflict(text));
            }
            in_nobodys_way(tx, smart_account_id, &new)?;
            let id = next_id::<JobId>(tx, "job")?;
            let newest = tx.last_number("product_instance")?;
            let sql = "INSERT INTO job (smart_account_id, id, kind, search, sort_by,
                virtual_account_id, into_virtual_account_id, state, total, total_is_exact,
                asked_at, asked_by, address, reason, newest_id)
                VALUES ($1, $2, $3, $4, $5, $6, $7, 'running', $8, $9, $10, $11, $12, $13, $14)";
            let values = [
                smart_account_id.into(),
                id.into(),
                new.kind.name().into(),
                (&new.search).into(),
                new.sort.map(SortBy::name).into(),
                new.virtual_account_id.into(),
                new.into_virtual_account_id.into(),
                count.count.into(),
                i64::from(count.is_exact).into(),
                now.0.into(),
                by.name().into(),
                by.address().into(),
                by.reason().into(),
                newest.into(),
            ];
            tx.execute(sql, &values)?;
            let job = one(tx, smart_account_id, id)?;
            add_event(tx, now, smart_account_id, &by, &format!("{} begun", job.words()))?;
            Ok(id)
        })?;
        match self.work_on_job(now, smart_account_id, id) {
            // It is written down, and goes on when the store does.
            Ok(_) | Err(Error::Store(_)) => {}
            Err(error) => return Err(error),
        }
        self.job(smart_account_id, id)
    }

    /// Works on a job for a moment; says whether there is more to do. What cannot be done ends it.
    ///
    /// # Errors
    /// When there is no such job, or the store fails: then it goes on later.
    pub fn work_on_job(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        id: JobId,
    ) -> Result<bool, Error> {
        let done = self.db.write("jobs.piece", move |tx| work(tx, now, smart_account_id, id));
        let problem = match done {
            Err(error @ Error::Store(_)) => return Err(error),
            Err(problem) => problem.to_string(),
            Ok(more) => return Ok(more),
        };
        self.db.write("jobs.fail", move |tx| {
            let job = one(tx, smart_account_id, id)?;
            end(tx, now, smart_account_id, &job, (JobState::Failed, &problem))?;
            Ok(false)
        })
    }

    /// The jobs that go on.
    ///
    /// # Errors
    /// When the store fails.
    pub fn running_jobs(&self) -> Result<Vec<(SmartAccountId, JobId)>, Error> {
        self.db.read("jobs.running", |tx| {
            let sql = "SELECT smart_account_id, id FROM job WHERE state = 'running'
                ORDER BY smart_account_id, id";
            tx.rows(sql, &[], |row| Ok((row.id(0)?, row.id(1)?)))
        })
    }

    /// The jobs of an account, newest first.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn jobs(
        &self,
        smart_account_id: SmartAccountId,
        before: Option<i64>,
    ) -> Result<Vec<JobView>, Error> {
        self.db.read("jobs.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM job WHERE smart_account_id = $1 AND id < $2
                ORDER BY id DESC LIMIT $3"
            );
            let before = before.unwrap_or(i64::MAX);
            let values = [smart_account_id.into(), before.into(), LISTED_MAX.into()];
            Ok(tx.rows(&sql, &values, Job::read)?.into_iter().map(|job| job.view).collect())
        })
    }

    /// One job.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn job(&self, smart_account_id: SmartAccountId, id: JobId) -> Result<JobView, Error> {
        self.db.read("jobs.one", move |tx| Ok(one(tx, smart_account_id, id)?.view))
    }

    /// Ends a job: what was done stays.
    ///
    /// # Errors
    /// When there is no such job, or it has ended.
    pub fn cancel_job(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: JobId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("jobs.cancel", move |tx| {
            let job = one(tx, smart_account_id, id)?;
            if job.view.state != JobState::Running {
                return Err(Error::Conflict(format!("it is {} already", job.view.state.name())));
            }
            let job = Job { actor: actor.clone(), ..job };
            end(tx, now, smart_account_id, &job, (JobState::Cancelled, ""))
        })
    }
}
