//! Commands of the agent's own configuration.

use crate::bed::{HASTY, PATIENT, config, key, local, must, nobody, pace, target, verdict};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use whither_checks::{Exec, Key, LocalProbe, OUTPUT_BYTES_MAX, Output, Runner};
use whither_model::{Health, Pace};

async fn run_with(argv: &[&str], pace: Pace) -> Output {
    let (runner, mut verdicts) = Runner::start(config());
    let check = local(LocalProbe::Exec(Exec::new(argv).unwrap()), pace);
    runner.set_local(&key(), &target(nobody().await), &[check]).unwrap();
    verdict(&mut verdicts).await;
    runner.output(&key(), "it").unwrap()
}

async fn sh(script: &str) -> Output {
    run_with(&["sh", "-c", script], pace(PATIENT)).await
}

/// A pipe with a name. Its reader is told when a command has opened it, and when all that have are gone.
fn pipe(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Does what may block in a thread of its own, which nobody waits for when a test fails.
fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(work())));
    told
}

/// Runs `sleep` in the background with `pipe` open, and waits for it.
fn lingering(pipe: &Path) -> String {
    format!("sleep 1000 > {} & echo begun; wait", pipe.display())
}

#[tokio::test]
async fn the_exit_code_is_the_result() {
    let found = sh("echo fine; echo too >&2").await;
    assert_eq!(found.status, Some(Health::Passing));
    assert!(found.text.starts_with("sh exited with 0\n"), "{}", found.text);
    assert!(found.text.contains("fine") && found.text.contains("too"), "{}", found.text);
    let critical_first = Pace { initial: Health::Critical, ..pace(PATIENT) };
    let found = run_with(&["sh", "-c", "exit 1"], critical_first).await;
    assert_eq!((found.status, &*found.text), (Some(Health::Warning), "sh exited with 1, a warning"));
    let found = sh("echo bad; exit 2").await;
    assert_eq!((found.status, &*found.text), (Some(Health::Critical), "sh exited with 2\nbad"));
    let found = sh("kill -9 $$").await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.contains("ended by a signal"), "{}", found.text);
}

#[tokio::test]
async fn no_shell_reads_the_arguments() {
    let found = run_with(&["echo", "$(id); `id` | cat > /x"], pace(PATIENT)).await;
    assert_eq!(&*found.text, "echo exited with 0\n$(id); `id` | cat > /x");
}

#[tokio::test]
async fn the_environment_is_small() {
    let found = run_with(&["env"], pace(PATIENT)).await;
    let mut names: Vec<&str> =
        found.text.lines().skip(1).filter_map(|line| line.split_once('=').map(|(name, _)| name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["LANG", "PATH"], "{}", found.text);
    assert_eq!(&*run_with(&["pwd"], pace(PATIENT)).await.text, "pwd exited with 0\n/");
}

#[tokio::test]
async fn what_cannot_be_run_fails() {
    for program in ["/no/such/program", "/"] {
        let found = run_with(&[program], pace(PATIENT)).await;
        assert_eq!(found.status, Some(Health::Critical));
        assert!(found.text.starts_with(&format!("cannot run {program}: ")), "{}", found.text);
    }
}

#[tokio::test]
async fn of_much_output_the_beginning_is_kept_and_the_rest_is_taken() {
    let found = sh("head -c 1000000 /dev/zero | tr '\\0' x").await;
    assert_eq!((found.status, found.text.len()), (Some(Health::Passing), OUTPUT_BYTES_MAX));
}

#[tokio::test]
async fn who_does_not_end_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(&folder);
    let script = lingering(&pipe);
    // Ends when the last who has it open for writing is gone.
    let gone = aside(move || std::fs::read(pipe).unwrap());
    let found = run_with(&["sh", "-c", &script], pace(HASTY)).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.contains("killed with all it had started: it did not end within 150ms"), "{}", found.text);
    must(gone).await.unwrap();
}

#[tokio::test]
async fn who_is_removed_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(&folder);
    let (runner, _verdicts) = Runner::start(config());
    // No run ends by itself while the test waits, and of so many, spread over a minute, one begins soon.
    let minute = Duration::from_secs(60);
    let exec = Exec::new(&["sh", "-c", &lingering(&pipe)]).unwrap();
    let check = local(LocalProbe::Exec(exec), pace(minute));
    let target = target(nobody().await);
    let keys = (0..200).map(|one: u32| Key { instance: one.to_string().parse().unwrap(), ..key() });
    let keys: Vec<Key> = keys.collect();
    for key in &keys {
        runner.set_local(key, &target, std::slice::from_ref(&check)).unwrap();
    }
    let begun = aside(move || std::fs::File::open(pipe).unwrap());
    let mut begun = must(begun).await.unwrap();
    keys.iter().for_each(|key| runner.remove(key));
    let gone = aside(move || std::io::copy(&mut begun, &mut std::io::sink()));
    must(gone).await.unwrap().unwrap();
    assert_eq!(runner.stats().checks, 0);
}

#[tokio::test]
async fn who_leaves_something_behind_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(&folder);
    let script = format!("sleep 1000 > {} 2>&1 & sleep 1000 & echo done", pipe.display());
    let gone = aside(move || std::fs::read(pipe).unwrap());
    let found = sh(&script).await;
    assert_eq!((found.status, &*found.text), (Some(Health::Passing), "sh exited with 0\ndone"));
    must(gone).await.unwrap();
}
