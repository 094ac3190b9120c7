//! Signals, as messages to the loop.

use std::io;
use std::sync::mpsc::Sender;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// SIGHUP: read the templates again.
    Reread,
    /// SIGTERM or SIGINT: end.
    End,
}

/// Listens on a thread of its own, as long as somebody takes what is told.
///
/// # Errors
/// The system refuses a handler.
pub(super) fn listen<T: Send + 'static>(tell: Sender<T>, of: fn(Wish) -> T) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handler = |kind| {
        let _inside = runtime.enter();
        signal(kind)
    };
    let hangup = handler(SignalKind::hangup())?;
    let (terminate, interrupt) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    std::thread::Builder::new().name("whither-signals".into()).spawn(move || {
        runtime.block_on(pass_on(hangup, terminate, interrupt, |wish| tell.send(of(wish)).is_ok()));
    })?;
    Ok(())
}

async fn pass_on(mut hangup: Signal, mut terminate: Signal, mut interrupt: Signal, tell: impl Fn(Wish) -> bool) {
    loop {
        let wish = tokio::select! {
            _ = hangup.recv() => Wish::Reread,
            _ = terminate.recv() => Wish::End,
            _ = interrupt.recv() => Wish::End,
        };
        if !tell(wish) {
            return;
        }
    }
}
