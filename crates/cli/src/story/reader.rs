//! Somebody who asks all the while, and sees whether an answer is ever empty.

use super::cast::list;
use crate::agent_api::{AgentApi, ApiError, Method, Target};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two questions.
const PACE: Duration = Duration::from_millis(10);

/// What the reader met with.
#[derive(Clone, Default, Debug)]
pub(crate) struct Read {
    /// Answers, the empty ones among them.
    pub(crate) answers: usize,
    /// Those that named nothing.
    pub(crate) empty: usize,
    /// The words of the first of them.
    pub(crate) first_empty: String,
    /// While the agent itself was not there.
    pub(crate) unanswered: usize,
}

/// Somebody who asks one agent about all services all the while.
pub(crate) struct Reader {
    read: Arc<Mutex<Read>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Has it begin.
    pub(crate) fn begin(api: AgentApi, services: [&'static str; 3]) -> std::io::Result<Self> {
        let (read, over) = (Arc::<Mutex<Read>>::default(), Arc::<AtomicBool>::default());
        let (reads, ends) = (Arc::clone(&read), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("reader".into()).spawn(move || {
            for service in services.into_iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let answer = api.ask::<Value>(Method::Get, &Target::new(&format!("/v1/services/{service}")), None);
                reads.lock().unwrap_or_else(PoisonError::into_inner).take(answer.map(|answer| answer.value));
                std::thread::sleep(PACE);
            }
        })?;
        Ok(Self { read, over, thread: Some(thread) })
    }

    /// Has it end, and says all that it met with.
    pub(crate) fn end(mut self) -> Read {
        self.over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Read {
    fn take(&mut self, answer: Result<Value, ApiError>) {
        let problem = match answer {
            Ok(said) if list(&said["instances"]).is_empty() => said.to_string(),
            Ok(_) => {
                self.answers += 1;
                return;
            }
            // That a service is unknown is an answer, and an empty one.
            Err(error) if error.is_not_found() => error.to_string(),
            Err(_) => {
                self.unanswered += 1;
                return;
            }
        };
        self.answers += 1;
        self.empty += 1;
        if self.first_empty.is_empty() {
            self.first_empty = problem;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_answer_is_seen() {
        let mut read = Read::default();
        read.take(Ok(json!({ "instances": [{ "id": "recos-1" }] })));
        read.take(Ok(json!({ "instances": [], "selection": "empty" })));
        assert_eq!((read.answers, read.empty), (2, 1));
        assert!(read.first_empty.contains("empty"));
    }
}
