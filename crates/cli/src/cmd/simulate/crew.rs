//! Runs side by side: as many at once as there are processors, in the order in which they were asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use whither_population::Exhausted;
use whither_sim::study::{self, Plan, Progress, Run, Settings};

/// A run to do.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// What is tried.
    pub(super) settings: Settings,
    /// When what happens.
    pub(super) plan: Plan,
    /// From which seed.
    pub(super) seed: u64,
}

/// What one of the crew has to say of a job, by its number.
enum Word {
    Progress(usize, Progress),
    Done(usize, Box<Result<Run, Exhausted>>),
}

/// Does all jobs, `workers` at a time, and tells now and then how far each is. The runs come in the order of the jobs.
///
/// # Errors
/// The first run that was given up. Others that still run are left behind; the process is about to end.
pub(super) fn work(
    jobs: &[Job],
    workers: usize,
    tell: &mut dyn FnMut(&[Option<Progress>]),
) -> Result<Vec<Run>, Exhausted> {
    let shared: Arc<[Job]> = jobs.into();
    let (next, (words, heard)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel());
    for _ in 0..workers.clamp(1, jobs.len().max(1)) {
        let (shared, next, words) = (Arc::clone(&shared), Arc::clone(&next), words.clone());
        drop(thread::spawn(move || one_by_one(&shared, &next, &words)));
    }
    drop(words);
    let mut progress: Vec<Option<Progress>> = vec![None; jobs.len()];
    let mut runs: Vec<Option<Run>> = jobs.iter().map(|_| None).collect();
    for word in heard {
        match word {
            Word::Progress(number, one) => progress[number] = Some(one),
            Word::Done(number, run) => runs[number] = Some((*run)?),
        }
        tell(&progress);
    }
    Ok(runs.into_iter().flatten().collect())
}

fn one_by_one(jobs: &[Job], next: &AtomicUsize, words: &mpsc::Sender<Word>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(Job { settings, plan, seed }) = jobs.get(number) else { return };
        let mut say = |progress: &Progress| drop(words.send(Word::Progress(number, *progress)));
        let run = study::run(settings, plan, *seed, &mut say);
        if words.send(Word::Done(number, Box::new(run))).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(seed: u64, budget: Option<u64>) -> Job {
        let settings = Settings { nodes: 12, kill: 1, updates: 3, budget, ..Settings::default() };
        Job { plan: Plan::new(&settings).unwrap(), settings, seed }
    }

    #[test]
    fn runs_come_in_the_order_of_their_jobs_however_many_work() {
        let jobs: Vec<Job> = (1..=5).map(|seed| job(seed, None)).collect();
        let mut last = Vec::new();
        let alone = work(&jobs, 1, &mut |_| ()).unwrap();
        let together = work(&jobs, 3, &mut |progress| last = progress.to_vec()).unwrap();
        assert_eq!(alone, together);
        assert_eq!(together.iter().map(|run| run.seed).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!(last.iter().all(|progress| progress.is_some_and(|one| one.simulated == one.length)));
    }

    #[test]
    fn a_run_that_is_given_up_ends_the_work() {
        let jobs = [job(1, None), job(2, Some(100)), job(3, None)];
        assert_eq!(work(&jobs, 2, &mut |_| ()).unwrap_err().seed, 2);
    }
}
