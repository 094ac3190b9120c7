//! How far it is, in one line that is written again and again: on a terminal only.

use super::figures::{grouped, short, time};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use whither_sim::study::Progress;

/// How often the line is written anew.
const REDRAW: Duration = Duration::from_millis(100);

/// The line.
pub(super) struct ProgressLine {
    begun: Instant,
    drawn: Option<Instant>,
    visible: bool,
}

impl ProgressLine {
    /// One on this process's standard error, if that is a terminal.
    pub(super) fn of_process() -> Self {
        Self { begun: Instant::now(), drawn: None, visible: io::stderr().is_terminal() }
    }

    /// How long it has been going on.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Shows how far all runs are, if it is time to. `lengths` is how long each is.
    pub(super) fn show(&mut self, progress: &[Option<Progress>], lengths: Duration) {
        if !self.visible || self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAW) {
            return;
        }
        self.drawn = Some(Instant::now());
        // Erase the line (ECMA-48), and write it anew. Nobody looking is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K{}", line(progress, lengths, self.begun.elapsed()));
        let _ = io::stderr().flush();
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `simulating  42 % · 76.0 s of 180 s · updates · 1 234 567 events, 2.10 M/s · 4 s left`
fn line(progress: &[Option<Progress>], lengths: Duration, elapsed: Duration) -> String {
    let known = || progress.iter().flatten();
    let simulated: Duration = known().map(|one| one.simulated).sum();
    let events: u64 = known().map(|one| one.events).sum();
    let phase = known().rfind(|one| one.simulated < one.length).map_or("aftermath", |one| one.phase);
    let share = (simulated.as_secs_f64() / lengths.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0);
    let rate = events as f64 / elapsed.as_secs_f64().max(1e-3) / 1e6;
    let left = elapsed.mul_f64((1.0 - share) / share.max(1e-3));
    let left = if elapsed < Duration::from_secs(1) { String::new() } else { format!(" · {} left", time(whole(left))) };
    let (of, percent) = (time(whole(lengths)), share * 100.0);
    let (done, events) = (time(whole(simulated)), grouped(events));
    format!("simulating {percent:3.0} % · {done} of {of} · {phase} · {events} events, {} M/s{left}", short(rate))
}

fn whole(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_it_is_how_fast_and_how_long_it_will_take() {
        let seconds = Duration::from_secs;
        let of = |simulated, phase| Progress { seed: 1, simulated, length: seconds(60), events: 500_000, phase };
        let progress = [Some(of(seconds(60), "aftermath")), Some(of(seconds(15), "updates")), None];
        let text = line(&progress, seconds(180), seconds(5)).replace(super::super::figures::NARROW, " ");
        assert_eq!(text, "simulating  42 % · 75.0 s of 3 min · updates · 1 000 000 events, 0.20 M/s · 7.00 s left");
        assert!(!line(&[None], seconds(60), seconds(0)).contains("left"));
    }
}
