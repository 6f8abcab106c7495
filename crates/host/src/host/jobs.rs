//! Work that goes on while the switch goes on, for a session that waits: copies over the network, pings,
//! traceroutes.

use std::net::IpAddr;

use rumline_cli::Reply;
use rumline_switch::{
    Copied, Devices, Effect, NoProbe, PingReport, ProbeAnswer, RemoteCopy, Session, Switch,
    TraceReport,
};
use tokio::task::AbortHandle;

use super::Host;

/// What a session waits for.
enum Task {
    Copy(RemoteCopy),
    Ping(PingReport),
    Trace(TraceReport),
}

/// Work that goes on.
pub(super) struct Job {
    number: u64,
    work: AbortHandle,
    task: Task,
    /// Whether a line was begun on the terminal to show how far it is.
    has_line: bool,
}

/// What is told of a job.
pub(super) struct News {
    pub(super) session: u64,
    /// Which of the session's jobs.
    pub(super) number: u64,
    pub(super) what: What,
}

/// What there is to tell.
pub(super) enum What {
    /// So many bytes of a copy are done.
    Copying(usize),
    /// A copy has come to its end, or to a question.
    Copied(Result<Copied, String>),
    /// A probe goes to this address.
    Probing { to: IpAddr, has_icmp: bool },
    /// What came of one packet.
    Answered(ProbeAnswer),
    /// All packets are sent, or none can be.
    Probed(Result<(), NoProbe>),
}

impl Host {
    /// Starts what is to be waited for among the effects of a session; whether there is any.
    pub(super) fn start_jobs(&mut self, session: u64, effects: &mut Vec<Effect>) -> bool {
        let mut started = false;
        for effect in std::mem::take(effects) {
            let number = self.last_job + 1;
            let (work, task) = match effect {
                Effect::Copy(copy) => {
                    (tokio::spawn(self.copying(session, number, &copy)), Task::Copy(copy))
                }
                Effect::Ping(ping) => {
                    let work = tokio::spawn(self.pinging(session, number, &ping));
                    (work, Task::Ping(PingReport::new(ping)))
                }
                Effect::Trace(trace) => {
                    let work = tokio::spawn(self.tracing(session, number, &trace));
                    (work, Task::Trace(TraceReport::new(trace)))
                }
                other => {
                    effects.push(other);
                    continue;
                }
            };
            self.last_job = number;
            let job = Job { number, work: work.abort_handle(), task, has_line: false };
            self.jobs.insert(session, job);
            started = true;
        }
        started
    }

    /// What a session waits for ends: somebody typed Ctrl-C.
    pub(super) fn interrupt(&mut self, session: u64) {
        if let Some(text) = self.end_job(session) {
            self.go_on(session, Reply { text, ..Reply::default() });
        }
    }

    /// Ends a job: what is told of it.
    pub(super) fn end_job(&mut self, session: u64) -> Option<String> {
        let job = self.jobs.remove(&session)?;
        job.work.abort();
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let text = match &job.task {
            Task::Copy(copy) => {
                let why = Err("it was interrupted".to_owned());
                switch.copy_ended(now, copy, why, &mut devices)
            }
            Task::Ping(report) => report.ended(Ok(())),
            Task::Trace(report) => report.ended(Ok(())),
        };
        Some(job.below_its_line(text))
    }

    /// What the session is told of its job.
    pub(super) fn news(&mut self, news: News) {
        let News { session, number, what } = news;
        // It may have been interrupted just before, and another one begun.
        let Some(mut job) = self.jobs.remove(&session) else { return };
        if job.number != number {
            self.jobs.insert(session, job);
            return;
        }
        match (&mut job.task, what) {
            (Task::Copy(copy), What::Copied(outcome)) => {
                let now = self.clock.now();
                let reply = self.with_session(session, |switch, own, devices| {
                    switch.copied(now, own, copy, outcome, devices)
                });
                let text = job.below_its_line(reply.text);
                return self.go_on(session, Reply { text, ..reply });
            }
            (Task::Copy(copy), What::Copying(bytes)) => {
                let text = copy.progress(bytes);
                job.has_line |= self.show(session, &text);
            }
            (Task::Ping(report), What::Probed(outcome)) => {
                let text = report.ended(outcome);
                return self.go_on(session, Reply { text, ..Reply::default() });
            }
            (Task::Trace(report), What::Probed(outcome)) => {
                let text = report.ended(outcome);
                return self.go_on(session, Reply { text, ..Reply::default() });
            }
            (task, what) => {
                let text = match (task, what) {
                    (Task::Ping(report), What::Probing { to, has_icmp }) => {
                        report.begun(to, has_icmp)
                    }
                    (Task::Ping(report), What::Answered(answer)) => report.answered(answer),
                    (Task::Trace(report), What::Probing { to, has_icmp }) => {
                        report.begun(to, has_icmp)
                    }
                    (Task::Trace(report), What::Answered(answer)) => report.answered(answer),
                    // No job is told of another's.
                    _ => String::new(),
                };
                if !self.show(session, &text) && !self.say(session, &text) {
                    // Nobody is there any more, or takes more.
                    job.work.abort();
                    return self.go_on(session, Reply::default());
                }
            }
        }
        self.jobs.insert(session, job);
    }

    /// Does something for a session; for one that is over as for a program, which cannot be asked.
    fn with_session<T>(
        &mut self,
        number: u64,
        work: impl FnOnce(&mut Switch, &mut Session, &mut Devices<'_>) -> T,
    ) -> T {
        let mut terminal = self.terminals.remove(&number);
        let mut batch = self.batches.remove(&number);
        let mut nobody = Session::for_program("");
        let own = match (&mut terminal, &mut batch) {
            (Some(open), _) => open.session_mut(),
            (None, Some(batch)) => batch.session_mut(),
            (None, None) => &mut nobody,
        };
        let (switch, mut devices) = self.parts();
        let done = work(switch, own, &mut devices);
        if let Some(open) = terminal {
            self.terminals.insert(number, open);
        }
        if let Some(batch) = batch {
            self.batches.insert(number, batch);
        }
        done
    }
}

impl Job {
    /// A text in a line of its own.
    fn below_its_line(&self, text: String) -> String {
        if self.has_line { format!("\n{text}") } else { text }
    }
}
