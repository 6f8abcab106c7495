//! What the operating system tells of this process and its machine.

use std::path::Path;

use rumline_switch::Process;

/// A tick of the kernel's accounting; it is the same on all Linux machines.
const TICK_MILLIS: u64 = 10;

/// Numbers of `/proc`; where it tells nothing they are 0.
/// `flash` is where bootflash: lies.
pub(crate) fn process_facts(flash: &Path) -> Process {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
    let (stat, uptime, memory) = (read("self/stat"), read("uptime"), read("meminfo"));
    // The name of the program, in brackets, may hold anything.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| {
        fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0) * TICK_MILLIS
    };
    let up_millis = hundredths(uptime.split(' ').next().unwrap_or_default()) * 10;
    let number = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let mut load_hundredths = [0; 3];
    for (slot, load) in load_hundredths.iter_mut().zip(read("loadavg").split(' ')) {
        *slot = u32::try_from(hundredths(load)).unwrap_or(u32::MAX);
    }
    let status = read("self/status");
    Process {
        pid: std::process::id(),
        user_millis: ticks(11),
        kernel_millis: ticks(12),
        up_millis: up_millis.saturating_sub(ticks(19)),
        invocations: number(&status, "voluntary_ctxt_switches:")
            + number(&status, "nonvoluntary_ctxt_switches:"),
        resident_kib: number(&status, "VmRSS:"),
        data_kib: number(&status, "VmData:"),
        stack_base: fields.get(25).and_then(|field| field.parse().ok()).unwrap_or(0),
        memory_total_kib: number(&memory, "MemTotal:"),
        memory_free_kib: number(&memory, "MemAvailable:"),
        memory_buffers_kib: number(&memory, "Buffers:"),
        memory_cached_kib: number(&memory, "Cached:"),
        vmalloc_total_kib: number(&memory, "VmallocTotal:"),
        vmalloc_free_kib: number(&memory, "VmallocTotal:")
            .saturating_sub(number(&memory, "VmallocUsed:")),
        flash_free_bytes: free_bytes(flash),
        load_hundredths,
    }
}

/// What may still be written to a file system.
fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |told| told.f_bavail.saturating_mul(told.f_frsize))
}

/// `0.25` in hundredths.
fn hundredths(text: &str) -> u64 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text, "0"));
    let part: u64 = part.get(..2).and_then(|part| part.parse().ok()).unwrap_or(0);
    whole.parse::<u64>().unwrap_or(0) * 100 + part
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::process_facts;

    #[test]
    fn this_process_is_there() {
        let facts = process_facts(Path::new("/"));
        assert!(facts.resident_kib > 1_000 && facts.memory_total_kib > facts.resident_kib);
        assert!(facts.memory_free_kib <= facts.memory_total_kib);
        assert!(facts.invocations > 0 && facts.data_kib > 100 && facts.stack_base > 0, "{facts:?}");
        assert!(facts.flash_free_bytes > 1_000);
        assert!(facts.up_millis < 24 * 3_600_000, "{facts:?}");
    }
}
