//! `whither story`: each story is played through, and says by itself how it ended. Fewer servers, agents and standstills than
//! a person is shown; nothing else is different.

use crate::agents::{Process, SOON, command};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// Plays a story, and returns its exit code and its document.
fn played(arguments: &[&str]) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = command(&["story", "--json"]);
    let done = story.args(arguments).env("TMPDIR", folder.path()).output().expect("the program runs");
    let said = String::from_utf8_lossy(&done.stdout);
    let document = serde_json::from_str(&said).unwrap_or_else(|error| panic!("no JSON ({error}): {done:?}"));
    assert_eq!(left_in(&folder), Vec::<PathBuf>::new(), "it takes its folder along");
    (done.status.code(), document)
}

fn left_in(folder: &TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path()).expect("it can be listed");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[track_caller]
fn ended_well(arguments: &[&str]) -> Value {
    let (code, told) = played(arguments);
    assert_eq!((code, &told["well"], &told["problems"]), (Some(0), &true.into(), &Value::Array(vec![])), "{told:#}");
    told["facts"].clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn no_caller_notices_a_deploy() {
    let facts = ended_well(&["deploy", "--servers", "4"]);
    assert_eq!((&facts["refused"], &facts["failed"]), (&0.into(), &0.into()), "{facts:#}");
    assert_eq!(facts["restarts"].as_array().map(Vec::len), Some(4), "{facts:#}");
    for caller in facts["callers"].as_array().expect("callers") {
        assert!(number(&caller["requests"]) >= 8, "it called every server before and after: {facts:#}");
    }
}

#[test]
fn a_deploy_without_draining_is_noticed_and_ends_badly() {
    let (code, told) = played(&["deploy", "--servers", "4", "--drain", "0s"]);
    assert_eq!((code, &told["well"]), (Some(1), &false.into()), "{told:#}");
    let trouble = number(&told["facts"]["refused"]) + number(&told["facts"]["failed"]);
    assert!(trouble > 0 && told["problems"][0].as_str().is_some_and(|words| words.starts_with("by ")), "{told:#}");
}

#[test]
fn doctor_names_who_lied_at_0314() {
    let facts = ended_well(&["0314"]);
    assert_eq!(
        (&facts["doctor"]["exit_code"], &facts["doctor_after"]["exit_code"]),
        (&4.into(), &0.into()),
        "{facts:#}"
    );
    let refused: Vec<u64> =
        facts["after"].as_array().expect("frontends").iter().map(|one| number(&one["refused"])).collect();
    assert!(refused[0] == 0 && refused[1] > 0, "{facts:#}");
    assert!((1..=720).contains(&number(&facts["lies_for_s"])), "{facts:#}");
}

#[test]
fn answers_go_on_while_the_registry_is_down() {
    // The machine may be busy: how fast the answer is belongs to the story that people play.
    let facts = ended_well(&["registry-down", "--within", "20s"]);
    assert!(number(&facts["answers"]) > 0 && facts["empty"] == 0, "{facts:#}");
    assert_eq!(facts["lost"][0]["selection"], "last_known", "{facts:#}");
    assert_eq!(facts["lost"][0]["protected"], true, "{facts:#}");
    let ages: Vec<u64> = ["from_disk", "at_last"].map(|act| number(&facts[act][1]["age_ms"])).into();
    assert!(ages[0] > ages[1], "older while it was alone than after: {facts:#}");
}

#[test]
fn a_fleet_hears_of_a_death_and_takes_no_poison() {
    let facts = ended_well(&["fleet", "--agents", "5", "--stops", "3"]);
    assert_eq!((&facts["heard"], &facts["removed_by_stops"]), (&5.into(), &0.into()), "{facts:#}");
    assert_eq!(facts["poison"].as_array().map(Vec::len), Some(5), "{facts:#}");
    assert!(number(&facts["kept"]) < number(&facts["deregistered"]), "some go at once: {facts:#}");
}

#[test]
fn a_story_that_is_interrupted_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut story = command(&["story", "deploy", "--servers", "3", "--settle", "5s"]);
    story.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut story = Process::spawn(&mut story);
    let lines = BufReader::new(story.0.stdout.take().expect("its words are piped"));
    let callers = lines.lines().map_while(Result::ok).find(|line| line.contains("three callers begin"));
    assert!(callers.is_some(), "it began");
    let played = processes_in(folder.path());
    assert_eq!(played.len(), 10, "it, three agents, three servers, and a run around each: {played:?}");
    kill_process(Pid::from_child(&story.0), Signal::INT).expect("a child can be signalled");
    let ended = story.await_end("it ends", SOON);
    assert_eq!(ended.code(), Some(130));
    assert_eq!(left_in(&folder), Vec::<PathBuf>::new(), "it takes its folder along");
    assert_eq!(processes_in(folder.path()), Vec::<String>::new(), "and everybody who played");
}

/// The command lines of processes that were told to keep temporary files in this folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let told = format!("TMPDIR={}", folder.display());
    let processes = std::fs::read_dir("/proc").expect("a list of processes").filter_map(Result::ok);
    let read = |process: &Path, file: &str| std::fs::read(process.join(file)).ok();
    let is_told = |process: &PathBuf| {
        read(process, "environ").is_some_and(|all| all.split(|byte| *byte == 0).any(|one| one == told.as_bytes()))
    };
    let lines = processes.map(|process| process.path()).filter(is_told).filter_map(|one| read(&one, "cmdline"));
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
