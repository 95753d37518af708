//! What the program itself takes, from `/proc` (proc(5)), under the names that Prometheus' own libraries use.

use std::fs;

use super::text::{Kind, Text};

/// Adds what the system tells; what it does not is left out.
pub(super) fn render(text: &mut Text) {
    let alone = |value: Option<f64>| value.map(|value| ([], value));
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let cpu = field(&stat, 14).zip(field(&stat, 15)).map(|(user, system)| (user + system) / ticks);
    text.family("process_cpu_seconds_total", Kind::Counter, "Processor time that was taken.", alone(cpu));
    let memory = field(&stat, 24).map(|pages| pages * rustix::param::page_size() as f64);
    text.family("process_resident_memory_bytes", Kind::Gauge, "Memory that is held.", alone(memory));
    let threads = field(&stat, 20);
    text.family("process_threads", Kind::Gauge, "Threads of the system.", alone(threads));
    // The folder that is read is one of them.
    let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as f64);
    text.family("process_open_fds", Kind::Gauge, "Files and sockets that are open.", alone(files));
    let most = rlimit::getrlimit(rlimit::Resource::NOFILE).ok().map(|(soft, _)| soft as f64);
    text.family("process_max_fds", Kind::Gauge, "How many may be.", alone(most));
    let start = field(&stat, 22).zip(booted()).map(|(start, booted)| booted + start / ticks);
    text.family("process_start_time_seconds", Kind::Gauge, "Unix time of the start.", alone(start));
}

/// A field of `/proc/self/stat` by its number in proc_pid_stat(5). The second, which is the program's name, is the only one that
/// may have spaces in it.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind.split(' ').nth(number.checked_sub(3)?)?.parse().ok()
}

/// Unix time of the start of the system.
fn booted() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_numbers_of_the_manual_whatever_the_name() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 140 150 0 0 20 0 4 0 220 2300 240 0";
        let fields = [14, 15, 20, 22, 24].map(|number| field(stat, number));
        assert_eq!(fields, [Some(140.0), Some(150.0), Some(4.0), Some(220.0), Some(240.0)]);
        assert_eq!((field(stat, 99), field("", 14)), (None, None));
    }
}
