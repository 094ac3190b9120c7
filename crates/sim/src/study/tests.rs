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
    let settings = Settings { loss: 0.05, regions: Regions::WORLD, ..small() };
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
fn what_was_believed_across_a_division_is_not_called_a_mistake() {
    let partition = Some(Partition { length: Duration::from_secs(15), share: 0.5 });
    let measured = once(&Settings { kill: 0, updates: 0, partition, length: None, ..small() }, 2);
    let partition = measured.partition.clone().unwrap();
    assert!(partition.downs > 0 && partition.nodes_down == 60, "{partition:?}");
    assert!(partition.agreed_after.is_some(), "{partition:?}");
    assert!(measured.samples.iter().any(|sample| sample.views > 1));
}

#[test]
fn every_restart_is_seen_by_everybody_twice_and_nobody_is_suspected() {
    let deploy = Some(Deploy { share: 0.25, away: Duration::from_secs(12) });
    let measured = once(&Settings { kill: 0, updates: 0, deploy, length: None, ..small() }, 2);
    let deploy = measured.deploy.clone().unwrap();
    assert_eq!((deploy.nodes, deploy.removals, deploy.returns), (60, 60 * 45, 60 * 59));
    assert_eq!((deploy.removed.count(), deploy.returned.count(), deploy.everywhere.len()), (60 * 45, 60 * 59, 60));
    assert_eq!((deploy.accused, deploy.wrongly_down), (0, 0));
    let Recovery { suspicions, downs, nodes_down, agreed_after } = deploy.recovery;
    assert_eq!((suspicions, downs, nodes_down, agreed_after.is_some()), (0, 0, 0, true));
    assert!(measured.samples.iter().any(|sample| sample.living == 45 && sample.is_agreed()));
    assert_eq!(
        measured.well,
        (measured.samples.last().unwrap().at.since(whither_model::Instant::START) - Duration::from_secs(12)) * 60
    );
}

#[test]
fn restarts_after_deaths_and_losses_are_seen_by_all_who_live() {
    let settings = Settings {
        updates: 0,
        loss: 0.1,
        regions: Regions::new(4).unwrap(),
        deploy: Some(Deploy { share: 0.5, away: Duration::from_secs(3) }),
        length: None,
        ..small()
    };
    let deploy = once(&settings, 5).deploy.unwrap();
    assert_eq!((deploy.nodes, deploy.removals, deploy.returns), (58, 58 * 29, 58 * 57));
    assert_eq!((deploy.returned.count(), deploy.everywhere.len()), (58 * 57, 58));
    let twice = deploy.clone().and(&deploy);
    assert_eq!((twice.nodes, twice.removed.count()), (116, 2 * deploy.removed.count()));
    assert_eq!(twice.everywhere.len(), 116);
}

#[test]
fn there_are_one_to_nineteen_regions() {
    let counts = (0..=u8::MAX).filter_map(Regions::new).map(|regions| regions.map().regions().len());
    assert_eq!(counts.collect::<Vec<_>>(), (1..=19).collect::<Vec<_>>());
    assert_eq!(
        (Regions::ONE.map(), Regions::WORLD.map()),
        (whither_population::Map::datacentre(), whither_population::Map::world())
    );
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
