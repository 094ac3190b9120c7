//! What the kernel knows of a process: processor time and memory (proc(5)).

use anyhow::{Context, Result, anyhow};
use std::fs;
use std::time::Duration;

/// Processor time of some processes since a moment. Their children are not counted.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    pids: Vec<u32>,
    before: f64,
}

impl CpuMeter {
    /// Begins to count.
    pub(crate) fn start(pids: impl IntoIterator<Item = u32>) -> Result<Self> {
        let pids: Vec<u32> = pids.into_iter().collect();
        let before = total(&pids)?;
        Ok(Self { pids, before })
    }

    /// Seconds since [`CpuMeter::start`], all processes together, to about 10 ms.
    pub(crate) fn seconds(&self) -> Result<f64> {
        Ok(total(&self.pids)? - self.before)
    }
}

fn total(pids: &[u32]) -> Result<f64> {
    pids.iter().map(|pid| process_cpu_seconds(*pid)).sum()
}

/// User and system time of a process, with the threads that ended.
pub(crate) fn process_cpu_seconds(pid: u32) -> Result<f64> {
    let text = read(pid, "stat")?;
    let ticks = cpu_ticks(&text).ok_or_else(|| anyhow!("/proc/{pid}/stat cannot be understood: {text:?}"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name, field 2, may hold anything, also spaces and brackets; utime and stime are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Time on a processor of those threads of a process that live and whose names begin with `prefix`.
pub(crate) fn threads_cpu(pid: u32, prefix: &str) -> Result<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("cannot list threads of {pid}"))?;
    let mut nanos = 0;
    for task in tasks {
        let task = task.with_context(|| format!("cannot list threads of {pid}"))?.path();
        // A thread that ended meanwhile is none of those that serve.
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        let Ok(schedule) = fs::read_to_string(task.join("schedstat")) else { continue };
        if name.starts_with(prefix) {
            nanos += on_cpu_nanos(&schedule).ok_or_else(|| anyhow!("schedstat cannot be understood: {schedule:?}"))?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

fn on_cpu_nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

/// Memory of a process, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// All that is resident: `VmRSS`.
    pub(crate) resident: u64,
    /// That part of it which is backed by no file: `RssAnon`.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// What a process has at the moment.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let text = read(pid, "status")?;
        Self::parse(&text).ok_or_else(|| anyhow!("/proc/{pid}/status says nothing about memory"))
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?.strip_prefix(':')?;
            Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        };
        Some(Self { resident: field("VmRSS")?, anonymous: field("RssAnon")? })
    }
}

fn read(pid: u32, file: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} is not there any more"))
}

/// Load averages over 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// What the processor calls itself.
pub(crate) fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Memory, cpu_ticks, on_cpu_nanos, process_cpu_seconds, threads_cpu};

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 17 5 900 900 20 0 8 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(22));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
        assert_eq!(on_cpu_nanos("275771 3252448 2\n"), Some(275_771));
        assert_eq!(on_cpu_nanos(""), None);
    }

    #[test]
    fn memory_is_read_by_field() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(Memory::parse(status), Some(Memory { resident: 2 << 20, anonymous: 1 << 20 }));
        assert_eq!(Memory::parse("VmRSS:\t 1 kB\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let own = std::process::id();
        assert!(process_cpu_seconds(own).unwrap() >= 0.0);
        assert!(Memory::of(own).unwrap().resident > 0);
        assert!(threads_cpu(own, "").unwrap().as_nanos() > 0);
        assert_eq!(threads_cpu(own, "no such thread").unwrap().as_nanos(), 0);
    }
}
