//! C1: how often a member that works is detected as failed, because packets are lost.

use super::periods::Periods;
use crate::report::{Cell, Effort, Report, Table, Within};
use crate::swim::theory::{detection_time, false_detections};
use crate::swim::{Config, Told};
use whither_model::Instant;
use whither_model::random::mix;
use whither_population::{Index, Watch};

const MEMBERS: u32 = 1_000;

/// Counts detections.
#[derive(Default)]
struct Count(u64);

impl Watch<Told> for Count {
    fn event(&mut self, _: Instant, _: Index, event: Told) {
        self.0 += u64::from(matches!(event, Told::Detected(_)));
    }
}

/// Runs it.
#[must_use]
pub fn run(effort: Effort, seed: u64) -> Report {
    let (wanted, at_most) = if effort == Effort::Full { (20_000.0, 1e7) } else { (2_000.0, 1e6) };
    let mut table = Table::new(
        "False detections of a member in one expected detection time, q_f = 1 (F3)",
        &["k = 0", "k = 1", "k = 2", "k = 3", "k = 4", "k = 5"],
    );
    for percent in [1_u32, 2, 5, 10, 20, 30] {
        let loss = f64::from(percent) / 100.0;
        let cells = (0..=5).map(|helpers| {
            let expected = false_detections(1.0, 1.0 - loss, helpers);
            let each = expected / detection_time(1.0);
            let periods = (wanted / each).min(at_most) / f64::from(MEMBERS);
            cell(expected, periods.ceil().max(10.0), loss, helpers, mix(seed ^ u64::from(percent * 8 + helpers)))
        });
        table.push(format!("{percent} % of packets lost"), cells.collect());
    }
    let text = vec![
        "SWIM's failure detector by itself among 1 000 members that all work, as section 3.1 of the paper counts: targets and \
         helpers at random, each packet lost independently. The formula is for the time in which a failure is detected on \
         average, e/(e−1) periods, and linear, so it is compared with the expected number of detections in that time. A cell is \
         met within 5 %, or three standard deviations of what was counted if that is more; a cell without a number would \
         have been counted less than ten times."
            .to_owned(),
    ];
    Report { text, tables: vec![table] }
}

fn cell(expected: f64, periods: f64, loss: f64, helpers: u32, seed: u64) -> Cell {
    let time = detection_time(1.0);
    let exposed = periods * f64::from(MEMBERS);
    let count = expected / time * exposed;
    if count < 10.0 {
        return Cell { expected: Some(expected), ..Cell::default() };
    }
    let mut run = Periods::new(Config::detector(MEMBERS, helpers), loss, Count::default(), seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of periods")]
    run.run(periods as u64);
    let rate = run.members.watch().0 as f64 / exposed;
    let noise = 3.0 / count.sqrt();
    Cell::judged(rate * time, expected, Within::Share(noise.max(0.05)))
}
