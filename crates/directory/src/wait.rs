//! Waiting for something to be true, for surfaces whose clients ask and are answered once it is.

use crate::directory::Directory;
use crate::view::View;
use std::sync::Arc;
use whither_model::ServiceName;

/// What may bring what is waited for.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// A change of this service, which need not exist yet.
    Service(&'a ServiceName),
    /// Any change.
    Anything,
}

impl Directory {
    /// Has `look` look at the newest view, and again after each change in `scope`, until it finds something. Wakes at once, and
    /// not for changes elsewhere once the service is known. Cancel-safe.
    pub async fn wait_for<T>(&self, scope: Scope<'_>, mut look: impl FnMut(&Arc<View>) -> Option<T>) -> T {
        let mut views = self.changes();
        loop {
            views.mark_unchanged();
            let waiting = match scope {
                Scope::Service(name) => self.peek().service(name).map(|service| Arc::clone(&service.changed)),
                Scope::Anything => None,
            };
            let notified = waiting.as_ref().map(|changed| changed.notified());
            tokio::pin!(notified);
            if let Some(notified) = notified.as_mut().as_pin_mut() {
                // Before the look, so that a change in between still wakes.
                notified.enable();
            }
            if let Some(found) = look(&self.view()) {
                return found;
            }
            match notified.as_mut().as_pin_mut() {
                Some(notified) => notified.await,
                // The sender lives as long as the directory, so this cannot fail.
                None => drop(views.changed().await),
            }
        }
    }
}
