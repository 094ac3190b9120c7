//! The disk: four KiB written and made durable, one after the other.

use crate::sample::Sample;
use crate::scratch::Scratch;
use anyhow::{Context, Result};
use std::fs::File;
use std::hint::spin_loop;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is written at once.
const BLOCK_BYTES: u64 = 4096;
/// How many blocks the file has. They are there beforehand: a journal, too, writes over what it has.
const BLOCKS: u64 = 256;

/// What else the processors do meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Processors {
    /// Nothing of ours. On virtual machines a sleeping processor may hear only at its next tick that the disk is done.
    Idle,
    /// They spin, as they do under load: the disk's own time shows.
    Busy,
}

/// How long `fdatasync` takes after 4 KiB, microseconds, at most `n` times and `duration`, in a file below `dir`.
pub(crate) fn syncs(dir: &Path, n: usize, duration: Duration, processors: Processors) -> Result<Sample> {
    let scratch = Scratch::new(dir)?;
    let path = scratch.path().join("block");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let block = [7; BLOCK_BYTES as usize];
    (0..BLOCKS).try_for_each(|at| file.write_all_at(&block, at * BLOCK_BYTES))?;
    file.sync_all()?;
    let done = AtomicBool::new(false);
    let spinning = match processors {
        Processors::Idle => 0,
        Processors::Busy => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let taken = std::thread::scope(|scope| {
        for _ in 0..spinning {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        let taken = sync_often(&file, &block, n, duration);
        done.store(true, Ordering::Relaxed);
        taken
    });
    Ok(Sample::micros(taken.with_context(|| format!("cannot write {}", path.display()))?))
}

/// The best that the disk does, syncs per second, with idle or with busy processors, and how many syncs were tried. By the
/// median: a neighbour that takes the processor away now and then says nothing of the disk.
pub(crate) fn syncs_per_second(dir: &Path, n: usize, duration: Duration) -> Result<(f64, u64)> {
    let rate = |processors| {
        let sample = syncs(dir, n, duration / 2, processors)?;
        Ok::<_, anyhow::Error>((1e6 / sample.p50(), sample.len() as u64))
    };
    let (idle, busy) = (rate(Processors::Idle)?, rate(Processors::Busy)?);
    Ok((idle.0.max(busy.0), idle.1 + busy.1))
}

fn sync_often(file: &File, block: &[u8], n: usize, duration: Duration) -> std::io::Result<Vec<Duration>> {
    let until = Instant::now() + duration;
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n && Instant::now() < until {
        file.write_all_at(block, taken.len() as u64 % BLOCKS * BLOCK_BYTES)?;
        let begun = Instant::now();
        file.sync_data()?;
        taken.push(begun.elapsed());
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::{Processors, syncs, syncs_per_second};
    use std::time::Duration;

    #[test]
    fn the_disk_answers() {
        let dir = std::env::temp_dir();
        for processors in [Processors::Idle, Processors::Busy] {
            let sample = syncs(&dir, 3, Duration::from_secs(10), processors).unwrap();
            assert!((1..=3).contains(&sample.len()) && sample.max() > 0.0);
        }
        let (rate, n) = syncs_per_second(&dir, 2, Duration::from_secs(10)).unwrap();
        assert!(rate > 0.0 && (2..=4).contains(&n));
    }
}
