//! All applications, which is what clients ask for most: put together and encoded once per change.

use crate::reply::{Form, Reply};
use crate::show::{self, hash_code};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http_body_util::Full;
use std::sync::Arc;
use whither_directory::{Directory, Index};

/// As of one view.
#[derive(Debug)]
struct Made {
    as_of: Index,
    hash: String,
    body: Bytes,
}

/// What was made last, in each form.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    json: ArcSwapOption<Made>,
    xml: ArcSwapOption<Made>,
}

impl Whole {
    fn of(&self, directory: &Directory, form: Form) -> Arc<Made> {
        let slot = match form {
            Form::Json => &self.json,
            Form::Xml => &self.xml,
        };
        let view = directory.view();
        if let Some(made) = slot.load_full().filter(|made| made.as_of == view.index()) {
            return made;
        }
        let applications = show::applications(&view);
        let hash = hash_code(&applications);
        let made = Arc::new(Made { as_of: view.index(), body: form.encoded(&applications, &hash).into(), hash });
        slot.store(Some(Arc::clone(&made)));
        made
    }

    /// All applications.
    pub(crate) fn reply(&self, directory: &Directory, form: Form) -> Reply {
        form.marked(Full::new(self.of(directory, form).body.clone()))
    }

    /// The hash code of all applications.
    pub(crate) fn hash(&self, directory: &Directory, form: Form) -> String {
        self.of(directory, form).hash.clone()
    }
}
