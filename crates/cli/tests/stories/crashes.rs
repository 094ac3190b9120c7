//! The loop: agents are killed at random moments while clients write, and everything that was promised is kept.

use crate::agents::{Cluster, SOON, eventually, exchange, instance};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KILLS: usize = 50;
const WRITERS: u64 = 3;
/// Instances that each writer writes again and again.
const INSTANCES: u64 = 60;
/// How long before a kill a write that was acknowledged from memory may be lost.
const MEMORY_WINDOW: Duration = Duration::from_millis(100);
/// For so long all writes are acknowledged from memory, then for as long some only once they are durable: a durable one takes
/// all others before it along to the disk.
const PHASE: Duration = Duration::from_millis(600);
/// A pause between two writes of a writer.
const PAUSE: Duration = Duration::from_millis(4);

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}

/// What an instance is after a write: registered with this revision, or gone.
type State = Option<u64>;

/// One write, and how it was answered.
struct Write {
    state: State,
    durable: bool,
    sent: Instant,
    /// When the answer came; `None` if the connection died before.
    acknowledged: Option<Instant>,
}

/// All writes of one instance, by one writer, one after the other.
#[derive(Default)]
struct History {
    owner: usize,
    writes: Vec<Write>,
}

/// The end of a run of an agent.
struct Kill {
    began: Instant,
    /// When the process was gone; `None` if that is still to come.
    ended: Option<Instant>,
}

impl Kill {
    /// Whether a write may be among the last words of that run, which the disk need not have got.
    fn may_have_cut(&self, write: &Write) -> bool {
        let before_the_end = self.ended.is_none_or(|ended| write.sent <= ended);
        before_the_end && write.acknowledged.is_none_or(|at| at + MEMORY_WINDOW > self.began)
    }
}

/// Where each agent is asked at the moment, if it runs, and when each was killed.
struct Scene {
    doors: Vec<Mutex<Option<SocketAddr>>>,
    kills: Vec<Mutex<Vec<Kill>>>,
    over: AtomicBool,
    started: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panicked")
}

impl History {
    /// What the instance may be: what the last write made of it that could not be lost, or any write after that.
    fn allowed(&self, kills: &[Kill]) -> Vec<State> {
        let mut allowed = vec![None];
        for write in &self.writes {
            let promised = write.durable || !kills.iter().any(|kill| kill.may_have_cut(write));
            let kept = write.acknowledged.is_some() && promised;
            if kept {
                allowed.clear();
            }
            allowed.push(write.state);
        }
        allowed
    }

    /// Checks what the owner said of the instance just now. Also right after a start: its own disk is enough to know.
    fn check(&self, id: &str, said: State, scene: &Scene) {
        let allowed = self.allowed(&locked(&scene.kills[self.owner]));
        assert!(allowed.contains(&said), "{id} is {said:?} at its owner, not any of {allowed:?}: {}", self.show(scene));
    }

    fn show(&self, scene: &Scene) -> String {
        let since = |at: Instant| at.saturating_duration_since(scene.started).as_secs_f64();
        let writes = self.writes.iter().rev().take(6).rev().map(|write| {
            let what = write.state.map_or("gone".to_owned(), |revision| format!("rev {revision}"));
            let ack = if write.durable { "durable" } else { "memory" };
            let answer = write.acknowledged.map_or("no answer".to_owned(), |at| format!("{:.3}", since(at)));
            format!("{what} {ack} ({answer})")
        });
        let kills: Vec<String> =
            locked(&scene.kills[self.owner]).iter().map(|kill| format!("{:.3}", since(kill.began))).collect();
        format!("{}; owner {} killed at {}", writes.collect::<Vec<_>>().join(", "), self.owner, kills.join(" "))
    }
}

fn service(writer: u64, n: u64) -> String {
    format!("prod/loop-{writer}-{}", n % 5)
}

/// Registers and deregisters until it is over. Returns what it did, by service and id.
fn write(writer: u64, seed: u64, scene: &Scene) -> BTreeMap<(String, String), History> {
    let mut random = Random(seed ^ (writer + 1).wrapping_mul(0x1234_5678_9abc_def1));
    let mut histories: BTreeMap<(String, String), History> = BTreeMap::new();
    let mut revision = 0;
    while !scene.over.load(Ordering::Relaxed) {
        let n = random.below(INSTANCES);
        let owner = usize::try_from(n).expect("small") % scene.doors.len();
        let (service, id) = (service(writer, n), format!("i-{writer}-{n}"));
        let history = histories.entry((service.clone(), id.clone())).or_insert(History { owner, ..History::default() });
        let durable = random.below(2) == 0 && scene.started.elapsed().as_millis() / PHASE.as_millis() % 2 == 1;
        // waits because a writer that never pauses takes the processor from the agents
        std::thread::sleep(PAUSE);
        let Some(door) = *locked(&scene.doors[owner]) else { continue };
        let path = instance(&service, &id);
        let Some(present) = state_at(door, &path) else { continue };
        history.check(&id, present, scene);
        revision += 1;
        let state = (present.is_none() || random.below(10) < 6).then_some(revision);
        let sent = Instant::now();
        match write_one(door, &path, durable, state) {
            Answered::Done => {
                history.writes.push(Write { state, durable, sent, acknowledged: Some(Instant::now()) });
            }
            Answered::Nothing => history.writes.push(Write { state, durable, sent, acknowledged: None }),
            Answered::NotAsked => {}
        }
    }
    histories
}

/// What an instance is at an agent, which may die meanwhile.
fn state_at(door: SocketAddr, path: &str) -> Option<State> {
    let answer = exchange(door, &format!("GET {path}"), &[], "").ok()?.expect(&[200, 404]);
    Some((answer.status == 200).then(|| revision_of(&answer.json())))
}

fn revision_of(instance: &Value) -> u64 {
    let text = instance["meta"]["revision"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no revision: {instance}"))
}

enum Answered {
    /// It was done, to the degree that was asked for.
    Done,
    /// The agent died; it may have been done.
    Nothing,
    /// The agent was dead already; it was not done.
    NotAsked,
}

fn write_one(door: SocketAddr, path: &str, durable: bool, state: State) -> Answered {
    let ack = if durable { "durable" } else { "memory" };
    let answer = match state {
        Some(revision) => {
            let body = format!(r#"{{"port":80,"shares_address":true,"meta":{{"revision":"{revision}"}}}}"#);
            let json = [("content-type", "application/json")];
            exchange(door, &format!("PUT {path}?ack={ack}"), &json, &body)
        }
        None => exchange(door, &format!("DELETE {path}?ack={ack}&force"), &[], ""),
    };
    match answer {
        Ok(answer) => {
            answer.expect(&[200, 201]);
            Answered::Done
        }
        Err(problem) if problem.kind() == std::io::ErrorKind::ConnectionRefused => Answered::NotAsked,
        Err(_) => Answered::Nothing,
    }
}

/// Kills one agent or several and starts them again, once. Of all three at once, only the disks remember.
fn strike(cluster: &mut Cluster, random: &mut Random, scene: &Scene) -> usize {
    // waits because the moment of the kill is what is random
    std::thread::sleep(random.millis(50..450));
    let first = usize::try_from(random.below(3)).expect("small");
    let several = [1, 1, 1, 1, 2, 3][usize::try_from(random.below(6)).expect("small")];
    let victims: Vec<usize> = (first..first + several).map(|at| at % 3).collect();
    for &victim in &victims {
        locked(&scene.kills[victim]).push(Kill { began: Instant::now(), ended: None });
        cluster[victim].kill();
        if let Some(kill) = locked(&scene.kills[victim]).last_mut() {
            kill.ended = Some(Instant::now());
        }
        *locked(&scene.doors[victim]) = None;
    }
    let mut kills = victims.len();
    for &victim in &victims {
        if random.below(8) == 0 {
            cluster[victim].start_and_kill(random.millis(0..120));
            kills += 1;
        }
        if random.below(4) == 0 {
            // waits because sometimes nobody is there to start it again at once
            std::thread::sleep(random.millis(0..300));
        }
        cluster[victim].start();
        *locked(&scene.doors[victim]) = Some(cluster[victim].http());
    }
    kills
}

/// An instance as a node shows it.
#[derive(PartialEq, Eq, Debug)]
struct Shown {
    revision: u64,
    set_by: String,
    status: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rev {} by {} {}", self.revision, self.set_by, self.status)
    }
}

/// All that a node shows.
fn catalog(agent: &crate::agents::Agent) -> BTreeMap<(String, String), Shown> {
    let services = agent.get("/v1/services").expect(&[200]).json();
    let names = services["services"].as_array().expect("services").iter();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned();
    names
        .map(|service| text(&service["service"]))
        .flat_map(|name| {
            let all = agent.get(&format!("/v1/services/{name}?all=true&explain=true")).expect(&[200]).json();
            let instances = all["instances"].as_array().expect("instances").clone();
            instances.into_iter().map(move |one| {
                let shown = Shown {
                    revision: revision_of(&one),
                    set_by: text(&one["explain"]["set_by"]),
                    status: text(&one["status"]),
                };
                ((name.clone(), text(&one["id"])), shown)
            })
        })
        .collect()
}

/// What is wrong with what the three show, if anything is.
fn judge(cluster: &Cluster, histories: &BTreeMap<(String, String), History>, scene: &Scene) -> Vec<String> {
    let shown: Vec<_> = cluster.agents().iter().map(catalog).collect();
    let mut wrong = Vec::new();
    for (key @ (service, id), history) in histories {
        let there: Vec<Option<&Shown>> = shown.iter().map(|one| one.get(key)).collect();
        let say = |what: &str| {
            let there: Vec<String> =
                there.iter().map(|one| one.map_or("gone".to_owned(), ToString::to_string)).collect();
            format!("{what}: {service} {id} is {there:?}; {}", history.show(scene))
        };
        if there.iter().any(|one| *one != there[0]) {
            wrong.push(say("they disagree"));
        }
        let state = there[history.owner].map(|one| one.revision);
        if !history.allowed(&locked(&scene.kills[history.owner])).contains(&state) {
            wrong.push(say(if state.is_some() { "came back" } else { "lost" }));
        }
        if there.iter().flatten().any(|one| one.status != "passing") {
            wrong.push(say("not usable"));
        }
    }
    let strangers = shown.iter().flat_map(BTreeMap::keys).filter(|key| !histories.contains_key(*key));
    wrong.extend(strangers.map(|key| format!("nobody registered {key:?}")));
    wrong
}

#[test]
fn fifty_crashes_lose_nothing_that_was_promised() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()).wrapping_mul(0x9e37_79b9));
    println!("SEED={seed} repeats the decisions of this run, though not the scheduling of its processes");
    let mut cluster = Cluster::of(&["a", "b", "c"]);
    let scene = Scene {
        doors: cluster.agents().iter().map(|agent| Mutex::new(Some(agent.http()))).collect(),
        kills: (0..3).map(|_| Mutex::default()).collect(),
        over: AtomicBool::new(false),
        started: Instant::now(),
    };
    let histories = std::thread::scope(|scope| {
        let (scene, cluster) = (&scene, &mut cluster);
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer, seed, scene))).collect();
        let killer = scope.spawn(move || {
            let mut random = Random(seed);
            let mut kills = 0;
            while kills < KILLS {
                kills += strike(cluster, &mut random, scene);
            }
        });
        let killed = killer.join();
        scene.over.store(true, Ordering::Relaxed);
        let histories: BTreeMap<(String, String), History> =
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer found nothing wrong")).collect();
        killed.expect("every agent started again");
        histories
    });
    let writes = || histories.values().flat_map(|history| &history.writes);
    let acknowledged = writes().filter(|write| write.acknowledged.is_some()).count();
    println!("{} writes, {acknowledged} of them acknowledged, in {:?}", writes().count(), scene.started.elapsed());
    assert!(acknowledged > 1_000, "too few writes to prove anything: {acknowledged}");
    cluster.await_all_alive();
    eventually(&format!("all is as promised, SEED={seed}"), SOON, || {
        let wrong = judge(&cluster, &histories, &scene);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    });
}
