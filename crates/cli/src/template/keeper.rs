//! The loop: news in, files out.

use super::error::{Kind, Trouble};
use super::library::Library;
use super::output::Output;
use super::render::Template;
use super::report::{self, Report};
use super::settle::Wait;
use super::signals::{self, Wish};
use super::source::Source;
use super::spec::Spec;
use super::target::{Plan, Target};
use super::watchers::Watchers;
use crate::cmd::Session;
use crate::failure::{DONE, Usage};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

/// What is made, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The files.
    pub(crate) specs: Vec<Spec>,
    /// What has to say yes to a new file.
    pub(crate) check: Option<String>,
    /// Render a service that has lost all its instances, too.
    pub(crate) allow_empty: bool,
    /// How long changes are gathered.
    pub(crate) wait: Wait,
    /// Keep what was there as `.bak`.
    pub(crate) backup: bool,
    /// The files' mode.
    pub(crate) mode: Option<u32>,
}

/// What the loop is told.
#[derive(Debug)]
pub(super) enum News {
    /// It may be different now.
    Changed(Source),
    /// It is watched.
    Live(Source),
    /// It is not watched any more, and why.
    Lost(Source, String),
    /// A signal came.
    Wish(Wish),
}

impl Options {
    fn plans(&self) -> impl Iterator<Item = Plan> {
        self.specs.iter().map(|spec| Plan {
            spec: spec.clone(),
            output: Output {
                path: spec.output.clone(),
                mode: self.mode,
                backup: self.backup,
                check: self.check.clone(),
            },
            allow_empty: self.allow_empty,
            wait: self.wait,
        })
    }
}

/// Prints what the files would be.
///
/// # Errors
/// What is wrong with a template, or with what it reads.
pub(crate) fn dry_run(options: &Options, session: Session) -> anyhow::Result<ExitCode> {
    let Session { api, mut console, .. } = session;
    let library = Arc::new(Library::new(api));
    for spec in &options.specs {
        let template = Template::load(&spec.template, &library).map_err(wrong)?;
        let text = template.render().text.map_err(wrong)?;
        if options.specs.len() > 1 {
            console.note(&format!("# {}", spec.output.display()));
        }
        console.write(&text)?;
    }
    Ok(DONE)
}

/// Makes the files, runs the commands, and that is all.
///
/// # Errors
/// Something of it did not work; what did work is done.
pub(crate) fn once(options: &Options, session: Session) -> anyhow::Result<ExitCode> {
    let Session { api, console, json } = session;
    let library = Arc::new(Library::new(api));
    let mut report = Report { console, json };
    // All are read before the first is made: one that is wrong is a command line that is wrong.
    let targets = options.plans().map(|plan| Target::load(plan, &library)).collect::<Result<Vec<_>, _>>();
    let mut troubles = Vec::new();
    for mut target in targets.map_err(wrong)? {
        if let Err(trouble) = target.make(&mut report)? {
            troubles.push(report::in_words(target.spec(), &trouble));
        }
    }
    if troubles.is_empty() { Ok(DONE) } else { Err(anyhow::anyhow!(troubles.join("\n"))) }
}

/// Keeps the files up to date until it is told to end.
///
/// # Errors
/// A template is wrong at the start, or nothing can be said any more.
pub(crate) fn keep(options: &Options, session: Session) -> anyhow::Result<ExitCode> {
    let Session { api, console, json } = session;
    let library = Arc::new(Library::new(api.clone()));
    let targets = options.plans().map(|plan| Target::load(plan, &library)).collect::<Result<Vec<_>, _>>();
    let (tell, news) = channel();
    signals::listen(tell.clone(), News::Wish)?;
    let watchers = Watchers::new(api, tell);
    let report = Report { console, json };
    let mut keeper = Keeper { library, targets: targets.map_err(wrong)?, watchers, report, lost: BTreeMap::new() };
    keeper.targets.iter_mut().for_each(|target| target.settle.changed(Instant::now()));
    keeper.run(&news)?;
    Ok(DONE)
}

/// A template that is wrong is a command line that is wrong: nothing was done.
fn wrong(trouble: Trouble) -> anyhow::Error {
    match trouble.kind {
        Kind::Template => Usage(trouble.text).into(),
        _ => trouble.into(),
    }
}

struct Keeper {
    library: Arc<Library>,
    targets: Vec<Target>,
    watchers: Watchers,
    report: Report,
    /// What is not watched, and why.
    lost: BTreeMap<Source, String>,
}

impl Keeper {
    fn run(&mut self, news: &Receiver<News>) -> std::io::Result<()> {
        loop {
            for target in &mut self.targets {
                target.act(&mut self.report)?;
            }
            let wanted: BTreeSet<Source> = self.targets.iter().flat_map(|target| target.read.iter().cloned()).collect();
            self.library.keep_only(&wanted);
            self.watchers.keep(&wanted)?;
            self.lost.retain(|source, _| wanted.contains(source));
            let due = self.targets.iter().filter_map(Target::due).min();
            let first = match due.map(|due| news.recv_timeout(due.saturating_duration_since(Instant::now()))) {
                None => news.recv().ok(),
                Some(Ok(first)) => Some(first),
                Some(Err(RecvTimeoutError::Timeout)) => None,
                Some(Err(RecvTimeoutError::Disconnected)) => return Ok(()),
            };
            // All that has come meanwhile, so that it is rendered together.
            for one in first.into_iter().chain(news.try_iter()) {
                if !self.hear(one)? {
                    return Ok(());
                }
            }
        }
    }

    /// Takes in what happened. Returns whether to go on.
    fn hear(&mut self, news: News) -> std::io::Result<bool> {
        let now = Instant::now();
        match news {
            News::Changed(source) => {
                self.library.changed(&source);
                for target in self.targets.iter_mut().filter(|target| target.read.contains(&source)) {
                    target.settle.changed(now);
                }
            }
            News::Live(source) => {
                self.library.live(&source, true);
                if self.lost.remove(&source).is_some() && self.lost.is_empty() {
                    self.report.agent("back", "what the files are made of is watched again")?;
                }
            }
            News::Lost(source, why) => {
                self.library.live(&source, false);
                if self.lost.is_empty() {
                    let words = format!("{source} is not watched now ({why}); the files stay as they are until it is");
                    self.report.agent("lost", &words)?;
                }
                self.lost.insert(source, why);
            }
            News::Wish(Wish::End) => return Ok(false),
            News::Wish(Wish::Reread) => {
                self.library.doubt_all();
                for target in &mut self.targets {
                    if let Err(trouble) = target.reread(&self.library) {
                        let what = format!("the template as it was stays in use: {trouble}");
                        self.report.warn(target.spec(), &what)?;
                    }
                    target.settle.changed(now);
                }
            }
        }
        Ok(true)
    }
}
