//! One file: its template, what it read, and what is owed to it.

use super::error::{Kind, Trouble};
use super::exec;
use super::guard;
use super::library::Library;
use super::memory::Memory;
use super::output::Output;
use super::render::{Rendered, Template};
use super::report::{Made, Report};
use super::retry::Retry;
use super::settle::{Settle, Wait};
use super::source::Source;
use super::spec::Spec;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one file is made with.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) spec: Spec,
    pub(super) output: Output,
    /// Render a service that has lost all its instances, too.
    pub(super) allow_empty: bool,
    pub(super) wait: Wait,
}

/// A file that is kept up to date.
#[derive(Debug)]
pub(super) struct Target {
    plan: Plan,
    template: Template,
    memory: Memory,
    saved: Memory,
    /// When to render.
    pub(super) settle: Settle,
    render_again: Retry,
    run_again: Retry,
    /// What it read last.
    pub(super) read: BTreeSet<Source>,
    /// What was said last, so that it is not said again.
    said: Option<Trouble>,
    warned: BTreeSet<String>,
    failures: u64,
    command_failures: u64,
}

impl Target {
    /// Reads the template, and what is remembered of the file.
    ///
    /// # Errors
    /// The template is wrong.
    pub(super) fn load(plan: Plan, library: &Arc<Library>) -> Result<Self, Trouble> {
        let template = Template::load(&plan.spec.template, library)?;
        let memory = Memory::load(&plan.spec.output);
        let retry = |first, longest| Retry::new(Duration::from_millis(first), Duration::from_millis(longest));
        Ok(Self {
            template,
            saved: memory.clone(),
            memory,
            settle: Settle::new(plan.wait),
            plan,
            render_again: retry(500, 30_000),
            run_again: retry(1_000, 60_000),
            read: BTreeSet::new(),
            said: None,
            warned: BTreeSet::new(),
            failures: 0,
            command_failures: 0,
        })
    }

    /// Reads the template again.
    ///
    /// # Errors
    /// It is wrong now; the one that was there stays in use.
    pub(super) fn reread(&mut self, library: &Arc<Library>) -> Result<(), Trouble> {
        self.template = Template::load(&self.plan.spec.template, library)?;
        Ok(())
    }

    pub(super) const fn spec(&self) -> &Spec {
        &self.plan.spec
    }

    /// When there is something to do next.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.settle.due(), self.render_again.due(), self.run_again.due()].into_iter().flatten().min()
    }

    /// Does what is due.
    ///
    /// # Errors
    /// Only that nothing can be said any more.
    pub(super) fn act(&mut self, report: &mut Report) -> io::Result<()> {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.settle.due()) || is_due(self.render_again.due()) {
            self.settle.rendered(now);
            let outcome = self.make(report)?;
            return self.tell(outcome.err(), report);
        }
        if is_due(self.run_again.due()) {
            let outcome = self.run(report)?;
            self.tell(outcome.err(), report)?;
        }
        Ok(())
    }

    /// Renders, writes and runs, once.
    ///
    /// # Errors
    /// Outside, that nothing can be said any more; inside, what went wrong.
    pub(super) fn make(&mut self, report: &mut Report) -> io::Result<Result<(), Trouble>> {
        let began = Instant::now();
        let rendered = self.template.render();
        let text = match self.approved(&rendered, report)? {
            Ok(text) => text,
            Err(trouble) => {
                // What it read before may be what it waits for.
                self.read.extend(rendered.read.into_keys());
                return Ok(Err(trouble));
            }
        };
        let changed = match self.write(text) {
            Ok(changed) => changed,
            Err(trouble) => return Ok(Err(trouble)),
        };
        self.memory.had = guard::having(&rendered.read);
        self.read = rendered.read.keys().cloned().collect();
        let spec = &self.plan.spec;
        report.made(&Made { spec, changed, bytes: text.len(), took: began.elapsed() })?;
        if self.memory.owes && (changed || self.run_again.due().is_none()) {
            return self.run(report);
        }
        self.remember(report)?;
        Ok(Ok(()))
    }

    /// The text, unless it could not be made, or a guard keeps the file.
    fn approved<'a>(&mut self, rendered: &'a Rendered, report: &mut Report) -> io::Result<Result<&'a str, Trouble>> {
        let text = match &rendered.text {
            Ok(text) => text,
            Err(trouble) => return Ok(Err(trouble.clone())),
        };
        let verdict = guard::look(&rendered.read, &self.memory);
        if !verdict.lost.is_empty() && !self.plan.allow_empty {
            let why = verdict.lost.join(", and ");
            let text = format!("{why}. If that is meant, --allow-empty renders it so");
            return Ok(Err(Trouble::new(Kind::Guard, text)));
        }
        let unknown: BTreeSet<String> = verdict.unknown.into_iter().collect();
        for service in unknown.difference(&self.warned) {
            let what = format!("the agent knows no service {service} yet; it is rendered without instances");
            report.warn(&self.plan.spec, &what)?;
        }
        self.warned = unknown;
        Ok(Ok(text))
    }

    /// Writes the file if it says something else. Returns whether it did.
    fn write(&mut self, text: &str) -> Result<bool, Trouble> {
        if !self.plan.output.differs(text)? {
            return Ok(false);
        }
        // Remembered before the file changes: whoever is killed in between runs the command once too often, and not never.
        let owed = std::mem::replace(&mut self.memory.owes, self.plan.spec.command.is_some());
        // That it cannot be written is said after the file was, if that can be.
        drop(self.save());
        let replaced = self.plan.output.replace(text);
        if replaced.is_err() {
            self.memory.owes = owed;
            drop(self.save());
        }
        replaced.map(|()| true)
    }

    /// Runs the command that is owed.
    fn run(&mut self, report: &mut Report) -> io::Result<Result<(), Trouble>> {
        let Some(command) = &self.plan.spec.command else {
            // It was owed by another command line.
            self.memory.owes = false;
            self.remember(report)?;
            return Ok(Ok(()));
        };
        let began = Instant::now();
        let ended = exec::run(command, &self.plan.spec.output, Kind::Command, exec::TIMEOUT);
        if ended.is_ok() {
            self.memory.owes = false;
            report.ran(&self.plan.spec, command, began.elapsed())?;
        }
        self.remember(report)?;
        Ok(ended)
    }

    fn save(&mut self) -> io::Result<()> {
        if self.memory != self.saved {
            self.memory.save(&self.plan.spec.output)?;
            self.saved = self.memory.clone();
        }
        Ok(())
    }

    fn remember(&mut self, report: &mut Report) -> io::Result<()> {
        match self.save() {
            Err(error) if self.warned.insert(error.to_string()) => {
                let what =
                    format!("what it has cannot be remembered beside it ({error}); a restart forgets its guards");
                report.warn(&self.plan.spec, &what)
            }
            _ => Ok(()),
        }
    }

    /// Says what went wrong, once, and sees to what is tried again.
    fn tell(&mut self, trouble: Option<Trouble>, report: &mut Report) -> io::Result<()> {
        let now = Instant::now();
        match trouble.as_ref().map(|trouble| trouble.kind) {
            None => {
                self.render_again.settled();
                if self.memory.owes {
                    // The file is as it should be, and its command still waits for its turn.
                    return Ok(());
                }
                self.run_again.settled();
            }
            Some(Kind::Command) => {
                self.render_again.settled();
                self.command_failures += 1;
                self.run_again.failed(now);
            }
            Some(kind) => {
                self.failures += 1;
                match kind {
                    Kind::Agent | Kind::Check | Kind::File => self.render_again.failed(now),
                    // Only what it reads, or a new template, can mend it.
                    _ => self.render_again.settled(),
                }
            }
        }
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.said.as_ref() != Some(trouble)) {
            let (failures, again) = match trouble.kind {
                Kind::Command => (self.command_failures, self.run_again.due()),
                _ => (self.failures, self.render_again.due()),
            };
            let again = again.map(|at| at.saturating_duration_since(now));
            report.failed(&self.plan.spec, trouble, failures, again)?;
        }
        self.said = trouble;
        Ok(())
    }
}
