use super::*;
use std::time::Duration;

fn small() -> Settings {
    Settings { nodes: 60, kill: 2, updates: 10, length: Some(Duration::from_secs(45)), ..Settings::default() }
}

fn once(settings: &Settings, seed: u64) -> Run {
    let plan = Plan::new(settings).unwrap();
    run(settings, &plan, seed, &mut |_| ()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another_one() {
    let settings = Settings { loss: 0.05, regions: Regions::World, ..small() };
    assert_eq!(once(&settings, 3), once(&settings, 3));
    assert_ne!(once(&settings, 3).hash, once(&settings, 4).hash);
}

#[test]
fn deaths_become_known_to_all_and_nobody_else_is_accused() {
    let measured = once(&small(), 1);
    let Summary { detection, errors, broadcast, traffic, views, .. } = Summary::of(&[measured]);
    assert_eq!((detection.deaths, detection.unknown, detection.each.count()), (2, 0, 2 * 58));
    let (first, everywhere) = (detection.first.unwrap(), detection.everywhere.unwrap());
    assert!(detection.suspected.unwrap().p50 <= first.p50 && first.p50 <= everywhere.p50);
    assert!(everywhere.max < Duration::from_secs(15), "{everywhere:?}");
    assert_eq!((errors.accusations, errors.wrongly_down), (0, 0));
    assert_eq!((broadcast.updates, broadcast.share()), (10, 1.0));
    assert!(broadcast.over_limit.unwrap()[0] >= 1.0);
    assert!(traffic.idle_messages > 1.0 && traffic.idle_bytes > 50.0 && traffic.bytes > 0.0);
    assert!(views >= 2, "before and after: {views}");
}

#[test]
fn a_division_and_restarts_are_got_over_and_are_not_called_mistakes() {
    let settings = Settings {
        kill: 0,
        updates: 0,
        partition: Some(Partition { length: Duration::from_secs(15), share: 0.5 }),
        deploy: Some(Deploy { share: 0.25, away: Duration::from_secs(12) }),
        length: None,
        ..small()
    };
    let measured = once(&settings, 2);
    let partition = measured.partition.clone().unwrap();
    assert!(partition.downs > 0 && partition.nodes_down > 0, "{partition:?}");
    assert!(measured.deploy.clone().unwrap().suspicions > 0);
    assert!(measured.samples.iter().any(|sample| sample.views > 1));
}

#[test]
fn progress_is_told_until_the_end() {
    let settings = Settings { kill: 0, ..small() };
    let plan = Plan::new(&settings).unwrap();
    let mut told = Vec::new();
    run(&settings, &plan, 9, &mut |progress| told.push(*progress)).unwrap();
    assert!(told.len() > 100 && told.is_sorted_by_key(|progress| (progress.simulated, progress.events)));
    let last = told.last().unwrap();
    assert_eq!((last.seed, last.simulated, last.length), (9, plan.length(), plan.length()));
}

#[test]
fn a_run_beyond_its_budget_is_given_up_with_its_seed() {
    let settings = Settings { budget: Some(500), ..small() };
    let exhausted = run(&settings, &Plan::new(&settings).unwrap(), 77, &mut |_| ()).unwrap_err();
    assert_eq!((exhausted.seed, exhausted.nodes), (77, 60));
    assert!(exhausted.events >= 500);
}

#[test]
fn several_runs_add_up() {
    let runs = [once(&small(), 1), once(&small(), 2)];
    let summary = Summary::of(&runs);
    assert_eq!((summary.seeds.as_slice(), summary.detection.deaths, summary.broadcast.updates), (&[1, 2][..], 4, 20));
    assert_eq!(summary.events, runs[0].events + runs[1].events);
    let plan = Plan::new(&small()).unwrap();
    let lived = 60.0 * 45.0 - 2.0 * plan.end.since(plan.kill.unwrap()).as_secs_f64();
    assert!((summary.errors.node_hours - 2.0 * lived / 3_600.0).abs() < 1e-9);
    assert!((summary.errors.rate_bound() * summary.errors.node_hours - 3.0).abs() < 1e-9);
}
