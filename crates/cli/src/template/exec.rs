//! Commands: run through the shell, for so long and no longer.

use super::error::{Kind, Trouble};
use crate::duration;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long a command may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `command`, and waits until it has ended well.
///
/// What it prints goes to standard error: standard output may be read by a program. Nothing is piped, so that a server that the
/// command starts in the background keeps nobody waiting.
///
/// # Errors
/// It cannot be started, fails, or takes longer than `timeout`: then it is killed, with all that it started in its group.
pub(super) fn run(command: &str, output: &Path, kind: Kind, timeout: Duration) -> Result<(), Trouble> {
    let wrong = |why: String| Trouble::new(kind, format!("`{command}` {why}"));
    let odd = |error: io::Error| wrong(format!("cannot be run: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(odd)?;
    let ended = runtime.block_on(async {
        let mut child = spawn(command, output)?;
        match tokio::time::timeout(timeout, child.wait()).await {
            Ok(ended) => ended.map(Some),
            Err(_) => {
                // Its id is its group's, and nobody else's before it is waited for.
                let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
                let _ = group.map(|group| kill_process_group(group, Signal::KILL));
                child.wait().await.map(|_| None)
            }
        }
    });
    match ended.map_err(odd)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(wrong(in_words(status))),
        None => Err(wrong(format!("took longer than {} and was killed", duration::exact(timeout)))),
    }
}

fn spawn(command: &str, output: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", command])
        .env("WHITHER_TEMPLATE_OUTPUT", output)
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()))
        .process_group(0)
        .spawn()
}

fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// `text` as one word of a shell's.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_command_that_fails_or_hangs_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("it's here");
        let run = |command: &str, timeout| run(command, &mark, Kind::Command, timeout).map_err(|trouble| trouble.text);
        assert_eq!(run(&format!("touch {}", quoted(mark.to_str().unwrap())), TIMEOUT), Ok(()));
        assert!(mark.exists());
        assert_eq!(run(r#"rm "$WHITHER_TEMPLATE_OUTPUT""#, TIMEOUT), Ok(()));
        assert!(!mark.exists());
        assert_eq!(run("exit 7", TIMEOUT), Err("`exit 7` failed with 7".to_owned()));
        assert_eq!(run("kill -9 $$", TIMEOUT), Err("`kill -9 $$` was ended by signal 9".to_owned()));
        let began = Instant::now();
        let late = run("sleep 60 & sleep 60", Duration::from_millis(50)).unwrap_err();
        assert!(late.contains("took longer than 50ms and was killed") && began.elapsed() < TIMEOUT, "{late}");
    }
}
