//! One run of a command.

use super::words;
use crate::finding::{Deadline, Finding};
use crate::{Exec, OUTPUT_BYTES_MAX};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How long the output of a command that has ended is waited for, when something that it started still holds it open.
const LEFTOVER: Duration = Duration::from_millis(100);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All that a command has started and that stayed in its group. Killed when this is dropped, however a run ends.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There may be nobody left, which is as well.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

pub(super) async fn probe(exec: &Exec, deadline: Deadline) -> Result<Finding, Finding> {
    let mut child = start(exec)?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let mut said = Vec::new();
    let late = || format!("{} was killed with all it had started: it did not end", exec.program());
    let ended = deadline.on(late, attend(&mut child, &mut said)).await;
    let (status, alone) = match ended {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => return Err(Finding::critical(format!("lost {}: {error}", exec.program()))),
        Err(late) => return Err(late.saying(&said)),
    };
    if alone {
        // The group is gone, and its number may soon be somebody else's.
        group.0 = None;
    }
    Ok(judge(exec.program(), status).saying(&said))
}

fn start(exec: &Exec) -> Result<Child, Finding> {
    let mut command = Command::new(exec.program());
    command.args(exec.arguments()).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command.spawn().map_err(|error| {
        let critical = || Finding::critical(format!("cannot run {}: {error}", exec.program()));
        // Other than with a connection, being forbidden is not the host's state but the command's.
        if error.kind() == io::ErrorKind::PermissionDenied {
            return critical();
        }
        words::own_fault(&error).unwrap_or_else(critical)
    })
}

/// Waits until the command has ended, and gathers what it says. The second result tells whether nothing that it started
/// holds its output open any more.
async fn attend(child: &mut Child, said: &mut Vec<u8>) -> io::Result<(ExitStatus, bool)> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut listening = pin!(listen(out, err, said));
    tokio::select! {
        () = &mut listening => Ok((child.wait().await?, true)),
        status = child.wait() => {
            let status = status?;
            let alone = tokio::time::timeout(LEFTOVER, listening).await.is_ok();
            Ok((status, alone))
        }
    }
}

/// Takes what comes from both until both end. What is too much is taken and thrown away: a command that nobody listens to
/// would wait for ever.
async fn listen(out: Option<impl AsyncRead + Unpin>, err: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let (mut out, mut err) = (out, err);
    let (mut from_out, mut from_err) = ([0; 1024], [0; 1024]);
    while out.is_some() || err.is_some() {
        let heard = tokio::select! {
            heard = take(&mut out, &mut from_out) => heard,
            heard = take(&mut err, &mut from_err) => heard,
        };
        said.extend_from_slice(&heard[..heard.len().min(OUTPUT_BYTES_MAX - said.len())]);
    }
}

/// The next bytes, none once it has ended; never, if it had ended before.
async fn take<'a>(from: &mut Option<impl AsyncRead + Unpin>, buffer: &'a mut [u8]) -> &'a [u8] {
    let Some(open) = from else { return std::future::pending().await };
    let count = open.read(buffer).await.unwrap_or(0);
    if count == 0 {
        *from = None;
    }
    &buffer[..count]
}

fn judge(program: &str, status: ExitStatus) -> Finding {
    match status.code() {
        Some(0) => Finding::passing(format!("{program} exited with 0")),
        Some(1) => Finding::warning(format!("{program} exited with 1, a warning")),
        Some(code) => Finding::critical(format!("{program} exited with {code}")),
        None => Finding::critical(format!("{program} was ended by a signal ({status})")),
    }
}
