//! Blocking queries: an answer waits until its index is higher than the one that the client has, or time is up.

use crate::duration;
use crate::reply::Refused;
use crate::request::Query;
use crate::serve::App;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use whither_directory::{Index, Scope, View};

const DEFAULT: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(600);
/// Up to so much of the time more is waited, so that those who came at once do not go at once.
const SPREAD: u32 = 16;

/// How long an answer may wait, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wait {
    after: u64,
    time: Duration,
}

impl Wait {
    /// What the query asks for; nothing: to be answered at once.
    ///
    /// # Errors
    /// The index or the time cannot be read.
    pub(crate) fn of(query: &Query) -> Result<Option<Self>, Refused> {
        let time = match query.get("wait").filter(|text| !text.is_empty()) {
            None => DEFAULT,
            Some(text) => duration::parse(text).ok_or_else(|| Refused::bad("Invalid wait time"))?,
        };
        let time = if time.is_zero() { DEFAULT } else { time.min(LONGEST) };
        let after = match query.get("index").unwrap_or_default() {
            "" => 0,
            // Clients that have nothing yet say so.
            text if text.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok()) => 0,
            text => text.parse().map_err(|_| Refused::bad("Invalid index"))?,
        };
        Ok((after > 0).then_some(Self { after, time }))
    }

    fn ends(&self) -> Instant {
        let most = self.time / SPREAD;
        let share = RandomState::new().hash_one(self.after) >> 32;
        let more = most.mul_f64(share as f64 / f64::from(u32::MAX));
        Instant::now() + self.time + more
    }
}

/// An index as clients are told it: never 0, which would mean not to wait.
pub(crate) fn shown(index: Index) -> u64 {
    index.get().max(1)
}

/// The newest view: at once, or as soon as its index for the question is higher than the client's, or when time is up.
pub(crate) async fn view(app: &App, wait: Option<Wait>, scope: Scope<'_>, index: impl Fn(&View) -> Index) -> Arc<View> {
    let Some(wait) = wait else { return app.directory.view() };
    let newer = |view: &Arc<View>| (shown(index(view)) > wait.after).then(|| Arc::clone(view));
    let mut closing = app.closing.clone();
    tokio::select! {
        biased;
        view = app.directory.wait_for(scope, newer) => view,
        () = tokio::time::sleep_until(wait.ends()) => app.directory.view(),
        _ = closing.wait_for(|closing| *closing) => app.directory.view(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_index_makes_it_wait() {
        let wait = |query: &str| Wait::of(&Query::parse(Some(query)));
        let text = |query: &str| wait(query).unwrap_err().text;
        for at_once in ["", "index=0", "wait=1s", "wait=-1s", "index=-1&wait=2s", "index="] {
            assert_eq!(wait(at_once), Ok(None), "{at_once}");
        }
        assert_eq!(wait("index=7&wait=1000ms").unwrap(), Some(Wait { after: 7, time: Duration::from_secs(1) }));
        assert_eq!(wait("index=7").unwrap(), Some(Wait { after: 7, time: DEFAULT }));
        assert_eq!(wait("index=7&wait=-1s").unwrap(), Some(Wait { after: 7, time: DEFAULT }));
        assert_eq!(wait("index=7&wait=1h").unwrap(), Some(Wait { after: 7, time: LONGEST }));
        assert_eq!(text("wait=1"), "Invalid wait time");
        assert_eq!(text("wait=1m1"), "Invalid wait time");
        assert_eq!(text("index=x"), "Invalid index");
    }
}
