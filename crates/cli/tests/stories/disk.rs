//! A disk that is full, and then is not.

use crate::agents::{Agent, Answer, Cluster, SOON, eventually, ids, instance};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of a few pages, in memory. Unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount: nothing can be learnt there about a full disk.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).expect("a directory");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "whither-test"]).arg(at).output();
        let problem = match mounted {
            Ok(output) if output.status.success() => return Some(Self(at.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(problem) => problem.to_string(),
        };
        assert!(!may_mount(), "this process may mount, yet: {problem}");
        println!("skipped: this process may not mount a tmpfs: {problem}");
        None
    }

    /// Writes until there is no room left.
    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("filling")).expect("room for a name");
        for size in [4096, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filling")).expect("the filling");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached: an agent that a failing test has not ended yet does not keep it.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).output());
    }
}

/// Whether this process is allowed what mounting needs (`CAP_SYS_ADMIN`, bit 21; capabilities(7)).
fn may_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).is_some_and(|bits| bits >> 21 & 1 == 1)
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let mut cluster = Cluster::of(&["b"]);
    let Some(disk) = SmallDisk::mount(&cluster.scratch().join("disk")) else { return };
    let mut agent = Agent::new("a", &disk.0.join("data"), cluster.secret());
    agent.argue(&["--join", &cluster[0].peers().to_string()]);
    let a = cluster.add_agent(agent);
    cluster[a].start();
    cluster.await_all_alive();
    cluster[a].register("prod/recos", "before", r#"{"port":1}"#);
    disk.fill();

    let put = |id: &str, ack: &str| -> Answer {
        let meta = "x".repeat(500);
        let body = format!(r#"{{"port":2,"meta":{{"a":"{meta}","b":"{meta}","c":"{meta}","d":"{meta}"}}}}"#);
        cluster[a].ask(&format!("PUT {}?ack={ack}", instance("prod/recos", id)), &body)
    };
    // The log of the database may have room left; then it is used up.
    let mut accepted = Vec::new();
    let mut n = 0;
    let refused = eventually("a write is refused", SOON, || {
        n += 1;
        let answer = put(&format!("r-{n:04}"), "durable");
        if answer.status == 507 {
            return Ok(answer);
        }
        accepted.push(format!("r-{n:04}"));
        Err(answer.expect(&[200, 201]).body)
    });
    assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:whither:problem:disk", "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("No space left on device"), "the system's words: {detail}");
    assert!(detail.contains(&disk.0.display().to_string()), "which disk: {detail}");
    for ack in ["memory", "durable"] {
        put("later", ack).expect(&[507]);
    }
    cluster[a].ask(&format!("DELETE {}", instance("prod/recos", "before")), "").expect(&[507]);

    let health = cluster[a].get("/v1/health").expect(&[200]).json();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health["disk"].as_str().is_some_and(|text| text.contains("No space left")), "{health}");
    assert_eq!(cluster[a].counter("whither_disk_healthy"), 0.0);
    let seen = cluster[a].service("prod/recos");
    assert!(ids(&seen["instances"]).contains(&"before"), "reads go on: {seen}");
    cluster[0].register("prod/elsewhere", "e-1", r#"{"port":3}"#);
    cluster[a].await_service("prod/elsewhere", "heard from a peer", |seen| seen["selection"] == "usable");

    disk.free();
    eventually("it recovers by itself", SOON, || {
        let health = cluster[a].get("/v1/health").expect(&[200]).json();
        (health["status"] == "ok" && health["disk"].is_null()).then_some(()).ok_or_else(|| health.to_string())
    });
    put("later", "durable").expect(&[201]);
    cluster[a].kill();
    cluster[a].start();
    let seen = cluster[a].service("prod/recos");
    let known = ids(&seen["instances"]);
    for id in accepted.iter().map(String::as_str).chain(["before", "later"]) {
        assert!(known.contains(&id), "{id} was accepted and is gone: {known:?}");
    }
    // Said to be in memory and on its way although the disk refused it: written when there was room.
    assert!(known.contains(&&*format!("r-{n:04}")), "{known:?}");
    assert_eq!(known.len(), accepted.len() + 3, "{known:?}");
    cluster[a].service("prod/elsewhere");
    drop(cluster);
}

#[test]
fn a_full_disk_refuses_what_users_write_and_answers_what_they_ask() {
    let mut cluster = Cluster::of(&["b"]);
    let Some(disk) = SmallDisk::mount(&cluster.scratch().join("disk")) else { return };
    let mut agent = Agent::new("a", &disk.0.join("data"), cluster.secret());
    agent.argue(&["--join", &cluster[0].peers().to_string()]);
    let a = cluster.add_agent(agent);
    cluster[a].start();
    cluster.await_all_alive();
    cluster[0].schema("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)");
    cluster[a].await_number("SELECT count(*) FROM notes", 0);
    cluster[a].sql("INSERT INTO notes VALUES (1, 'before')");
    disk.fill();
    let insert = |id: usize| {
        let text = "x".repeat(2_000);
        cluster[a].ask("POST /v1/transactions", &format!(r#"["INSERT INTO notes VALUES ({id}, '{text}')"]"#))
    };
    let mut accepted = 1;
    let refused = eventually("a write is refused", SOON, || {
        let answer = insert(accepted + 1);
        if answer.status == 507 {
            return Ok(answer);
        }
        accepted += 1;
        Err(answer.expect(&[200]).body)
    });
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:whither:problem:disk", "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("full")), "{problem}");
    let question = cluster[a].ask("POST /v1/queries", "\"SELECT text FROM notes WHERE id = 1\"").expect(&[200]);
    assert!(question.body.contains("before"), "{}", question.body);
    // What others write meanwhile is missed, and comes when there is room.
    cluster[0].sql("INSERT INTO notes VALUES (1000000, 'elsewhere')");
    disk.free();
    eventually("it writes again", SOON, || {
        let answer = insert(500_000);
        (answer.status == 200).then_some(()).ok_or(answer.body)
    });
    cluster[a].await_number("SELECT count(*) FROM notes WHERE id = 1000000", 1);
    cluster[0].await_number("SELECT count(*) FROM notes WHERE id < 400000", i64::try_from(accepted).expect("few"));
    cluster[a].kill();
    cluster[a].start();
    cluster[a].await_number("SELECT count(*) FROM notes", i64::try_from(accepted + 2).expect("few"));
    drop(cluster);
}
