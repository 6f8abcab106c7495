//! The process that the switch is, and the machine it runs on, as whoever runs it tells.

use std::collections::VecDeque;

use rumline_cli::Fields;

use crate::Switch;
use crate::answer::Answer;
use crate::command::Call;

/// What the operating system tells of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it has computed, in user mode and in the kernel.
    pub user_millis: u64,
    /// The same in the kernel.
    pub kernel_millis: u64,
    /// How long it runs.
    pub up_millis: u64,
    /// How often it was given a processor.
    pub invocations: u64,
    /// What it holds in memory.
    pub resident_kib: u64,
    /// What it has asked for.
    pub data_kib: u64,
    /// Where its stack begins.
    pub stack_base: u64,
    /// The machine's memory.
    pub memory_total_kib: u64,
    /// What of it is free.
    pub memory_free_kib: u64,
    /// What of it the kernel holds in buffers.
    pub memory_buffers_kib: u64,
    /// What of it the kernel holds of files.
    pub memory_cached_kib: u64,
    /// What the kernel could allocate, and what of that is free.
    pub vmalloc_total_kib: u64,
    /// What of that is free.
    pub vmalloc_free_kib: u64,
    /// What may still be written to bootflash:.
    pub flash_free_bytes: u64,
    /// The machine's load over 1, 5 and 15 minutes, in hundredths.
    pub load_hundredths: [u32; 3],
}

/// What it had computed at times within the last five minutes, oldest first: times since its start, and what of them was
/// computed, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(VecDeque<(u64, u64)>);

/// The longest time that shares are told of.
const WINDOW_MILLIS: u64 = 5 * 60_000;
/// The shortest time between two samples.
const STEP_MILLIS: u64 = 1_000;

impl Samples {
    fn note(&mut self, process: &Process) {
        let last = self.0.back().map(|(up, _)| *up);
        if last.is_some_and(|last| process.up_millis < last) {
            self.0.clear();
        } else if last.is_some_and(|last| process.up_millis < last + STEP_MILLIS) {
            return;
        }
        // One that is older than the window is where it begins.
        while self.0.get(1).is_some_and(|(up, _)| up + WINDOW_MILLIS <= process.up_millis) {
            self.0.pop_front();
        }
        self.0.push_back((process.up_millis, process.computed_millis()));
    }

    /// The share that was computed since the last sample at least that long ago, in hundredths of a percent; since the start
    /// where there is none.
    fn share(&self, process: &Process, millis: u64) -> u64 {
        let is_before = |(up, _): &&(u64, u64)| up + millis <= process.up_millis;
        let (up, computed) = self.0.iter().rev().find(is_before).copied().unwrap_or_default();
        let computed = process.computed_millis().saturating_sub(computed);
        (computed * 10_000).checked_div(process.up_millis - up).unwrap_or(0).min(10_000)
    }
}

/// Hundredths as `0.25`.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

impl Process {
    fn computed_millis(&self) -> u64 {
        self.user_millis + self.kernel_millis
    }

    /// A share of the time it runs, in hundredths of a percent.
    fn share(&self, millis: u64) -> u64 {
        (millis * 10_000).checked_div(self.up_millis).unwrap_or(0).min(10_000)
    }

    /// What it computes in user mode and in the kernel, and what is left, in percent.
    fn cpu(&self) -> [String; 3] {
        let (user, kernel) = (self.share(self.user_millis), self.share(self.kernel_millis));
        let idle = 10_000_u64.saturating_sub(user + kernel);
        [user, kernel, idle].map(hundredths)
    }

    fn memory_used_kib(&self) -> u64 {
        self.memory_total_kib.saturating_sub(self.memory_free_kib)
    }
}

impl Switch {
    /// The operating system told of the process.
    pub fn note_process(&mut self, process: Process) {
        self.samples.note(&process);
        self.process = process;
    }
}

pub(super) fn show_resources(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let process = switch.process;
    let [user, kernel, idle] = process.cpu();
    let [one, five, fifteen] = process.load_hundredths.map(|load| hundredths(u64::from(load)));
    let (total, used, free) =
        (process.memory_total_kib, process.memory_used_kib(), process.memory_free_kib);
    call.shown(
        || {
            format!(
                "Load average:   1 minute: {one}   5 minutes: {five}   15 minutes: {fifteen}\n\
                 Processes   :   1 total, 1 running\n\
                 CPU states  :   {user}% user,   {kernel}% kernel,   {idle}% idle\n        \
                 CPU0 states  :   {user}% user,   {kernel}% kernel,   {idle}% idle\n\
                 Memory usage:   {total}K total,   {used}K used,   {free}K free\n\
                 Kernel vmalloc:   {}K total,   {}K free\n\
                 Kernel buffers:   {}K Used\nKernel cached :   {}K Used\nCurrent memory status: OK\n",
                process.vmalloc_total_kib,
                process.vmalloc_free_kib,
                process.memory_buffers_kib,
                process.memory_cached_kib
            )
        },
        || {
            let cpu = Fields::new()
                .number("cpuid", 0)
                .text("user", &user)
                .text("kernel", &kernel)
                .text("idle", &idle);
            Fields::new()
                .text("load_avg_1min", &one)
                .text("load_avg_5min", &five)
                .text("load_avg_15min", &fifteen)
                .number("processes_total", 1)
                .number("processes_running", 1)
                .text("cpu_state_user", &user)
                .text("cpu_state_kernel", &kernel)
                .text("cpu_state_idle", &idle)
                .table("cpu_usage", [cpu])
                .number("memory_usage_total", total)
                .number("memory_usage_used", used)
                .number("memory_usage_free", free)
                .number("kernel_vmalloc_total", process.vmalloc_total_kib)
                .number("kernel_vmalloc_free", process.vmalloc_free_kib)
                .number("kernel_buffers", process.memory_buffers_kib)
                .number("kernel_cached", process.memory_cached_kib)
                .text("current_memory_status", "OK")
        },
    )
}

pub(super) fn show_cpu(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let process = switch.process;
    let runtime_millis = process.computed_millis();
    let share = |seconds: u64| switch.samples.share(&process, seconds * 1_000);
    let percent = |seconds: u64| share(seconds) / 100;
    let (five_seconds, minute, five_minutes) = (percent(5), percent(60), percent(300));
    let one_second = hundredths(share(1));
    let usec = (runtime_millis * 1_000).checked_div(process.invocations).unwrap_or(0);
    let [user, kernel, idle] = process.cpu();
    let (pid, invoked) = (process.pid, process.invocations);
    call.shown(
        || {
            format!(
                "\nCPU utilization for five seconds: {five_seconds}%/0%; one minute: {minute}%; five minutes: {five_minutes}%\n\n\
                 PID    Runtime(ms)  Invoked   uSecs  1Sec    Process\n-----  -----------  --------  -----  ------  -----------\n\
                 {pid:>5}  {runtime_millis:>11}  {invoked:>8}  {usec:>5}  {one_second:>5}%  rumline\n\n\
                 CPU util  :    {user}% user,    {kernel}% kernel,   {idle}% idle\n"
            )
        },
        || {
            let row = Fields::new()
                .number("pid", pid)
                .number("runtime", runtime_millis)
                .number("invoked", invoked)
                .number("usecs", usec)
                .text("onesec", &one_second)
                .text("process", "rumline");
            Fields::new()
                .number("fivesec_percent", five_seconds)
                .number("fivesec_intr_percent", 0)
                .number("onemin_percent", minute)
                .number("fivemin_percent", five_minutes)
                .table("process_cpu", [row])
                .text("user_percent", &user)
                .text("kernel_percent", &kernel)
                .text("idle_percent", &idle)
        },
    )
}

pub(super) fn show_memory(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let Process { pid, resident_kib, data_kib, stack_base, .. } = switch.process;
    let (allocated, used) = (data_kib * 1_024, resident_kib * 1_024);
    let stack = format!("{stack_base:x}/0");
    call.shown(
        || {
            format!(
                "PID    MemAlloc  MemLimit    MemUsed     StackBase/Ptr      Process\n\
                 -----  --------  ----------  ----------  -----------------  ----------------\n\
                 {pid:>5}  {allocated:>8}  {:>10}  {used:>10}  {stack:<17}  rumline\n",
                0
            )
        },
        || {
            let row = Fields::new()
                .number("pid", pid)
                .number("mem_alloc", allocated)
                .number("mem_limit", 0)
                .number("mem_used", used)
                .text("stack_base_ptr", &stack)
                .text("process", "rumline");
            Fields::new().table("process_memory", [row])
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(up_seconds: u64, computed_millis: u64) -> Process {
        Process {
            up_millis: up_seconds * 1_000,
            user_millis: computed_millis,
            ..Process::default()
        }
    }

    #[test]
    fn shares_are_those_of_the_time_that_is_asked_for() {
        let mut samples = Samples::default();
        // Idle for ten minutes, then half a processor for one.
        for second in 0..=600 {
            samples.note(&at(second, 0));
        }
        for second in 1..=60 {
            samples.note(&at(600 + second, second * 500));
        }
        let now = at(660, 30_000);
        assert_eq!(
            [1, 5, 60, 300].map(|s| samples.share(&now, s * 1_000)),
            [5_000, 5_000, 5_000, 1_000]
        );
        assert!(samples.0.len() <= 302, "{}", samples.0.len());
        // Between two commands an hour apart there is one time only.
        samples.note(&at(4_260, 30_000));
        assert_eq!(samples.share(&at(4_261, 30_500), 1_000), 5_000);
        assert_eq!(samples.share(&at(4_261, 30_500), 300_000), 1);
    }

    #[test]
    fn without_samples_shares_are_those_since_the_start() {
        let mut samples = Samples::default();
        assert_eq!(samples.share(&at(10, 1_000), 5_000), 1_000);
        assert_eq!(samples.share(&at(0, 0), 5_000), 0);
        samples.note(&at(10, 1_000));
        samples.note(&Process { up_millis: 10_500, ..at(0, 9_000) });
        assert_eq!(samples.0.len(), 1, "two within a second");
        samples.note(&at(1, 0));
        assert_eq!(samples.0, [(1_000, 0)], "another process");
    }
}
