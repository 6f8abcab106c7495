//! The process that the switch is, and the machine it runs on, as whoever runs it tells.

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
    /// What it holds in memory.
    pub resident_kib: u64,
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
    /// The machine's load over 1, 5 and 15 minutes, in hundredths.
    pub load_hundredths: [u32; 3],
}

/// Hundredths as `0.25`.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

impl Process {
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
    let runtime_millis = process.user_millis + process.kernel_millis;
    let percent = process.share(runtime_millis) / 100;
    let [user, kernel, idle] = process.cpu();
    call.shown(
        || {
            format!(
                "\nCPU utilization since the start: {percent}%\n\
                 PID    Runtime(ms)  Process\n-----  -----------  -----------\n{:>5}  {runtime_millis:>11}  rumline\n\n\
                 CPU util  :    {user}% user,    {kernel}% kernel,   {idle}% idle\n",
                process.pid
            )
        },
        || {
            let row = Fields::new()
                .number("pid", process.pid)
                .number("runtime", runtime_millis)
                .text("process", "rumline");
            Fields::new()
                .table("process_cpu", [row])
                .text("user_percent", &user)
                .text("kernel_percent", &kernel)
                .text("idle_percent", &idle)
        },
    )
}

pub(super) fn show_memory(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let Process { pid, resident_kib, .. } = switch.process;
    call.shown(
        || {
            format!(
                "PID    MemUsed(kB)  Process\n-----  -----------  -----------\n{pid:>5}  {resident_kib:>11}  rumline\n"
            )
        },
        || {
            let row = Fields::new().number("pid", pid).number("mem_used", resident_kib).text("process", "rumline");
            Fields::new().table("process_memory", [row])
        },
    )
}
