//! What a run cost: CPU and memory of the server, of its core, and of this tool, from /proc (proc(5)) and CPU clocks.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

use crate::stats::rounded;

/// Whom to watch.
#[derive(clap::Args, Clone, Default, Debug)]
pub(crate) struct Watched {
    /// Process of the server; what it costs is then part of the result. Its children count too
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(crate) pid: Vec<u32>,
    /// The core the server is pinned to: how busy it was is then part of the result
    #[arg(long, value_name = "CORE")]
    pub(crate) core: Option<usize>,
}

/// The time in which a run is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// When it begins.
    pub(crate) start: Instant,
    /// Whole seconds that it takes.
    pub(crate) secs: u64,
}

impl Window {
    /// When it ends.
    pub(crate) fn end(self) -> Instant {
        self.start + Duration::from_secs(self.secs)
    }

    /// The whole seconds of it that have passed; none before it began.
    pub(crate) fn second(self, now: Instant) -> Option<u64> {
        now.checked_duration_since(self.start).map(|passed| passed.as_secs())
    }
}

/// Sleeps until then.
pub(crate) fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Counters of one moment, in seconds since some start.
#[derive(Clone, Copy, Default, Debug)]
struct Sample {
    /// The sum of both that follow, to the nanosecond; they are told in ticks.
    cpu: f64,
    user: f64,
    system: f64,
    rss_bytes: u64,
    core_busy: f64,
    core_idle: f64,
    steal: f64,
    own: f64,
}

/// Looks at the processes before the clients come, and at both ends of the window.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    processes: Vec<u32>,
    core: Option<usize>,
    idle: Sample,
}

impl Watch {
    /// Takes the first look. Fails where there is no such process or core.
    pub(crate) fn start(watched: &Watched) -> anyhow::Result<Self> {
        let mut processes = watched.pid.clone();
        let mut next = 0;
        while let Some(&process) = processes.get(next) {
            let children = children(process).with_context(|| format!("there is no process {process}"))?;
            processes.extend(children.into_iter().filter(|child| !watched.pid.contains(child)));
            next += 1;
        }
        let idle = sample(&processes, watched.core)?;
        Ok(Self { processes, core: watched.core, idle })
    }

    /// Waits for the window to pass and says what it cost.
    pub(crate) fn measure(self, window: Window) -> anyhow::Result<Measured> {
        sleep_until(window.start);
        let from = Instant::now();
        let before = sample(&self.processes, self.core)?;
        // The clients leave at the end, which is a cost of another kind.
        sleep_until(window.end() - Duration::from_millis(50));
        let after = sample(&self.processes, self.core)?;
        Ok(Measured { watch: self, before, after, secs: from.elapsed().as_secs_f64().max(1e-9) })
    }
}

/// A window that has passed.
#[derive(Debug)]
pub(crate) struct Measured {
    watch: Watch,
    before: Sample,
    after: Sample,
    secs: f64,
}

impl Measured {
    /// What it cost for each of so many clients, and for the bits that were delivered.
    pub(crate) fn usage(&self, clients: usize, gigabits: f64) -> Usage {
        let (before, after) = (&self.before, &self.after);
        let (busy, idle) = (after.core_busy - before.core_busy, after.core_idle - before.core_idle);
        Usage {
            server: (!self.watch.processes.is_empty()).then(|| self.server(clients.max(1) as f64, gigabits)),
            core_busy_pct: self.watch.core.map(|_| rounded(busy / (busy + idle).max(1e-9) * 100.0)),
            own_cpu_pct: rounded((after.own - before.own) / self.secs * 100.0),
            steal_s: rounded(after.steal - before.steal),
        }
    }

    fn server(&self, clients: f64, gigabits: f64) -> Server {
        let (before, after) = (&self.before, &self.after);
        let (user, system) = (after.user - before.user, after.system - before.system);
        let cpu = after.cpu - before.cpu;
        let (idle_rss, rss) = (self.watch.idle.rss_bytes as f64, after.rss_bytes as f64);
        Server {
            srv_cpu_pct: rounded(cpu / self.secs * 100.0),
            srv_user_pct: rounded(user / self.secs * 100.0),
            srv_sys_pct: rounded(system / self.secs * 100.0),
            cpu_ms_per_client_s: rounded(cpu / self.secs * 1e3 / clients),
            cpu_s_per_gbit: (gigabits > 0.0).then(|| rounded(cpu / gigabits)),
            rss_idle_mb: rounded(idle_rss / 1e6),
            rss_end_mb: rounded(rss / 1e6),
            rss_kb_per_client: rounded((rss - idle_rss) / 1e3 / clients),
        }
    }
}

/// The part of a result that says what it cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Usage {
    /// None where no process was given.
    #[serde(flatten)]
    pub(crate) server: Option<Server>,
    /// Of the server's core, whoever used it: the kernel's work that no process is charged for is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) core_busy_pct: Option<f64>,
    /// This tool; near 100 of a core it is the limit, and not the server.
    pub(crate) own_cpu_pct: f64,
    /// CPU time that a hypervisor gave to others, of all cores.
    pub(crate) steal_s: f64,
}

/// What the server's processes used; 100 % is one core.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) srv_cpu_pct: f64,
    pub(crate) srv_user_pct: f64,
    pub(crate) srv_sys_pct: f64,
    pub(crate) cpu_ms_per_client_s: f64,
    /// None where nothing was delivered.
    pub(crate) cpu_s_per_gbit: Option<f64>,
    pub(crate) rss_idle_mb: f64,
    pub(crate) rss_end_mb: f64,
    pub(crate) rss_kb_per_client: f64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "\n  server       {:.1} % of a core", server.srv_cpu_pct)?;
            write!(f, " (user {:.1}, system {:.1})", server.srv_user_pct, server.srv_sys_pct)?;
            if let Some(per_gbit) = server.cpu_s_per_gbit {
                write!(f, ", {per_gbit:.4} s per gigabit")?;
            }
            write!(f, ", {:.3} ms per client and second", server.cpu_ms_per_client_s)?;
            write!(f, "\n  memory       {:.1} MB before, {:.1} MB", server.rss_idle_mb, server.rss_end_mb)?;
            write!(f, " at the end: {:.1} kB per client", server.rss_kb_per_client)?;
        }
        if let Some(busy) = self.core_busy_pct {
            write!(f, "\n  core         {busy:.1} % busy")?;
        }
        write!(f, "\n  this tool    {:.1} % of a core", self.own_cpu_pct)?;
        if self.own_cpu_pct > 90.0 {
            write!(f, ": THE TOOL MAY BE THE LIMIT, not the server")?;
        }
        if self.steal_s > 0.0 {
            write!(f, "; the hypervisor took {:.2} s of all cores away", self.steal_s)?;
        }
        Ok(())
    }
}

/// The direct children of a process. Fails where there is no such process.
fn children(process: u32) -> anyhow::Result<Vec<u32>> {
    fs::metadata(format!("/proc/{process}"))?;
    // Kernels without this file count the process alone.
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    Ok(listed.split_whitespace().filter_map(|child| child.parse().ok()).collect())
}

fn sample(processes: &[u32], core: Option<usize>) -> anyhow::Result<Sample> {
    let mut sample = Sample::default();
    for process in processes {
        let (user, system) = cpu_time(&process.to_string()).context("the server has ended")?;
        sample.cpu += exact_cpu_time(*process)?;
        sample.user += user;
        sample.system += system;
        let memory = fs::read_to_string(format!("/proc/{process}/statm")).context("the server has ended")?;
        let pages: u64 = memory.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        sample.rss_bytes += pages * rustix::param::page_size() as u64;
    }
    let (user, system) = cpu_time("self")?;
    sample.own = user + system;
    let stat = fs::read_to_string("/proc/stat")?;
    sample.steal = core_times(&stat, "cpu").map_or(0.0, |times| times[STEAL]);
    if let Some(core) = core {
        let times =
            core_times(&stat, &format!("cpu{core}")).with_context(|| format!("there is no core {core}"))?;
        sample.core_busy = BUSY.iter().map(|&at| times[at]).sum();
        sample.core_idle = IDLE.iter().map(|&at| times[at]).sum();
    }
    Ok(sample)
}

/// Places in a line of /proc/stat: user, nice, system, irq and softirq.
const BUSY: [usize; 5] = [0, 1, 2, 5, 6];
/// idle and iowait.
const IDLE: [usize; 2] = [3, 4];
const STEAL: usize = 7;

/// The times of that line of /proc/stat, in seconds.
fn core_times(stat: &str, name: &str) -> Option<Vec<f64>> {
    let line = stat.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let times: Option<Vec<f64>> = line
        .split_whitespace()
        .skip(1)
        .map(|time| time.parse::<f64>().ok().map(|time| time / ticks))
        .collect();
    times.filter(|times| times.len() > STEAL)
}

/// User and system time of a process, in seconds.
fn cpu_time(process: &str) -> anyhow::Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let times =
        process_times(&stat).with_context(|| format!("/proc/{process}/stat: not what proc(5) says"))?;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    Ok((times.0 as f64 / ticks, times.1 as f64 / ticks))
}

/// User and system time of all threads of a process, in seconds (clock_getcpuclockid(3)): little load over few seconds is
/// several percent of what /proc says in ticks.
fn exact_cpu_time(process: u32) -> anyhow::Result<f64> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(process)?));
    let time = clock.and_then(clock_gettime).context("the server has ended")?;
    Ok(Duration::from(time).as_secs_f64())
}

/// `utime` and `stime` of /proc/PID/stat. The name in front of them may hold anything, brackets too.
fn process_times(stat: &str) -> Option<(u64, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "12 (a) b) c) S 1 1 1 0 -1 4194560 9 9 0 0 31 47 0 0 20 0 1 0 99 1 1";
        assert_eq!(process_times(stat), Some((31, 47)));
        assert_eq!(process_times("12 (a"), None);
    }

    #[test]
    fn a_core_is_found_by_its_whole_name() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 0 200 300 0 0 50 25 0 0\ncpu10 1 1 1 1 1 1 1 1 0 0\nintr 5";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(core_times(stat, "cpu1").unwrap()[2], 200.0 / ticks);
        assert_eq!(core_times(stat, "cpu2"), None);
        assert_eq!(core_times(stat, "intr"), None);
    }

    #[test]
    fn this_very_process_can_be_watched() {
        let watched = Watched { pid: vec![std::process::id()], core: None };
        let watch = Watch::start(&watched).unwrap();
        let window = Window { start: Instant::now() - Duration::from_secs(2), secs: 1 };
        let usage = watch.measure(window).unwrap().usage(2, 0.0);
        let server = usage.server.unwrap();
        assert!(server.rss_end_mb > 0.0 && server.cpu_s_per_gbit.is_none());
        assert!(Watch::start(&Watched { pid: vec![u32::MAX], core: None }).is_err());
    }
}
