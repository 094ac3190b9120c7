//! `whither template`: files follow what they are made of, and stay whatever goes wrong.

use crate::agents::{Agent, Cluster, Port, SOON, Templating, eventually, instance, template_once};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;

const LIST: &str = r#"{% for one in service("prod/recos").instances %}
{{ one.id }} {{ one | socket }}
{% endfor %}
"#;

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn wrote(event: &Value) -> bool {
    event["event"] == "rendered" && event["changed"] == true
}

fn ran(event: &Value) -> bool {
    event["event"] == "command" && event["ok"] == true
}

fn lost(event: &Value) -> bool {
    event["event"] == "lost"
}

fn kept(event: &Value) -> bool {
    event["event"] == "kept" && event["kind"] == "guard"
}

fn deregister(agent: &Agent, id: &str) {
    agent.ask(&format!("DELETE {}", instance("prod/recos", id)), "").expect(&[200]);
}

/// An agent that comes back on the same port, and a template beside it.
fn scene(door: &Port) -> Cluster {
    let mut cluster = Cluster::empty();
    let a = cluster.add("a");
    cluster[a].argue(&["--http-bind", &door.address().to_string()]);
    cluster[a].start();
    fs::write(cluster.scratch().join("list.tmpl"), LIST).expect("a template");
    cluster
}

#[test]
fn a_file_follows_a_service_and_outlives_its_agent_and_its_last_instance() {
    let door = Port::reserve();
    let mut cluster = scene(&door);
    let dir = cluster.scratch().to_owned();
    let arguments = ["list.tmpl:list:echo ran >> ran"];
    let mut templating = Templating::start(&cluster[0].door(), &dir, "t", &arguments, &[]);
    let warning = templating.hear("a service that nobody knows is said", |event| event["event"] == "warning");
    assert!(warning["why"].as_str().expect("words").contains("knows no service prod/recos"), "{warning}");
    templating.hear("the command runs for the empty list", ran);
    assert_eq!(read(&dir, "list"), "");

    for (id, expected) in [("r-1", "r-1 127.0.0.1:8080\n"), ("r-2", "r-1 127.0.0.1:8080\nr-2 127.0.0.1:8080\n")] {
        let body = r#"{"address":"127.0.0.1","port":8080,"shares_address":true}"#;
        cluster[0].register("prod/recos", id, body);
        templating.hear("the file is written anew", wrote);
        templating.hear("and the command runs", ran);
        assert_eq!(read(&dir, "list"), expected);
    }
    assert_eq!(read(&dir, "ran"), "ran\n".repeat(3), "once for each change");

    cluster[0].kill();
    templating.hear("that the agent is gone is said", lost);
    assert_eq!(read(&dir, "list").lines().count(), 2, "nothing is taken out by silence");
    cluster[0].start();
    templating.hear("and that it is back", |event| event["event"] == "back");

    deregister(&cluster[0], "r-1");
    templating.hear("the other one is left", wrote);
    assert_eq!(read(&dir, "list"), "r-2 127.0.0.1:8080\n");
    deregister(&cluster[0], "r-2");
    let kept = templating.hear("the last one stays in the file, and it is said why", kept);
    assert!(kept["why"].as_str().expect("words").contains("--allow-empty"), "{kept}");
    assert_eq!(read(&dir, "list"), "r-2 127.0.0.1:8080\n");
    cluster[0].register("prod/recos", "r-3", r#"{"address":"127.0.0.1","port":8083}"#);
    templating.hear("until there is a new one", wrote);
    assert_eq!(read(&dir, "list"), "r-3 127.0.0.1:8083\n");

    fs::write(dir.join("list.tmpl"), LIST.replace("one.id", "one.idd")).expect("a template");
    templating.signal(Signal::HUP);
    let wrong = templating.hear("what is wrong with a template is said", |event| event["kind"] == "template");
    let why = wrong["why"].as_str().expect("words");
    assert!(why.starts_with("list.tmpl:2: undefined value") && why.contains("| {{ one.idd }}"), "{why}");
    assert_eq!(read(&dir, "list"), "r-3 127.0.0.1:8083\n");
    assert!(templating.terminate().success(), "{}", templating.log());
    assert_eq!(templating.events().iter().filter(|event| lost(event)).count(), 1, "said once");
}

#[test]
fn once_makes_the_file_and_a_restart_forgets_neither_guards_nor_commands() {
    let door = Port::reserve();
    let cluster = scene(&door);
    let dir = cluster.scratch().to_owned();
    cluster[0].register("prod/recos", "r-1", r#"{"address":"127.0.0.1","port":8080}"#);
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let once = |more: &[&str]| template_once(&cluster[0].door(), &dir, &[&["list.tmpl:list"], more].concat());

    let failed = once(&["--exec", "test -e ready && echo ran >> ran"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("list is written, but `test -e ready"), "{}", said(&failed));
    assert_eq!(read(&dir, "list"), "r-1 127.0.0.1:8080\n");
    fs::write(dir.join("ready"), "").expect("a file");
    for _ in 0..2 {
        let done = once(&["--exec", "test -e ready && echo ran >> ran"]);
        assert!(done.status.success(), "{}", said(&done));
    }
    assert_eq!(read(&dir, "ran"), "ran\n", "what was owed is run, and then nothing more");

    // An agent of another cluster, with an empty disk: it has not heard of the service.
    let empty = Cluster::of(&["b"]);
    let refused = template_once(&empty[0].door(), &dir, &["list.tmpl:list"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let words = "list stays as it is: prod/recos had instances and is not known to the agent any more";
    assert!(said(&refused).contains(words), "{}", said(&refused));
    assert_eq!(read(&dir, "list"), "r-1 127.0.0.1:8080\n");
    let allowed = template_once(&empty[0].door(), &dir, &["list.tmpl:list", "--allow-empty"]);
    assert!(allowed.status.success() && read(&dir, "list").is_empty(), "{}", said(&allowed));

    fs::write(dir.join("bad.tmpl"), "{% for %}\n").expect("a template");
    let bad = once(&["bad.tmpl:bad"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    assert!(said(&bad).contains("bad.tmpl:1: syntax error") && !dir.join("bad").exists(), "{}", said(&bad));
    let gone = template_once("127.0.0.1:1", &dir, &["list.tmpl:new"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(said(&gone).contains("no agent answers at 127.0.0.1:1") && !dir.join("new").exists(), "{}", said(&gone));
}

#[test]
fn a_file_follows_what_a_question_is_answered() {
    let door = Port::reserve();
    let cluster = scene(&door);
    let dir = cluster.scratch().to_owned();
    let agent = &cluster[0];
    let post = |path: &str, body: &str| agent.ask(&format!("POST {path}"), body);
    post("/v1/schema", r#"{"sql":"CREATE TABLE backends (name TEXT PRIMARY KEY, port INTEGER)"}"#).expect(&[200]);
    let write = |sql: &str| post("/v1/transactions", &format!("[{sql:?}]")).expect(&[200]);
    write("INSERT INTO backends VALUES ('web-1', 80)");
    let template = r#"{{ sql("SELECT name, port FROM backends WHERE port > :least ORDER BY name", least=10) | csv }}"#;
    fs::write(dir.join("rows.tmpl"), template).expect("a template");
    let templating = Templating::start(&agent.door(), &dir, "t", &["rows.tmpl:rows"], &[]);
    let await_rows = |expected: &str| {
        eventually("the file has the rows", SOON, || {
            let seen = fs::read_to_string(dir.join("rows")).unwrap_or_default();
            (seen == expected).then_some(()).ok_or_else(|| format!("{seen}\n{}", templating.log()))
        });
    };
    await_rows("name,port\nweb-1,80\n");
    write("INSERT INTO backends VALUES ('web-0', 8080), ('low', 1)");
    await_rows("name,port\nweb-0,8080\nweb-1,80\n");
    write("DELETE FROM backends WHERE name = 'web-1'");
    await_rows("name,port\nweb-0,8080\n");
}
