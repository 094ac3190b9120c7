//! Ctrl-C and its kin: nothing may stay behind.

use crate::{process, reality, scratch};
use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell says of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP end the program after its children and directories.
pub(crate) fn clean_up_when_told_to_end() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        process::kill_all();
        reality::namespace::remove_all();
        scratch::remove_all();
        std::process::exit(INTERRUPTED);
    })?;
    Ok(())
}
