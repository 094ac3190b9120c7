//! The layers, one over the other: presets, then the file, then the environment, then the flags.

use super::checks::RawCheck;
use super::environment::Environment;
use super::error::{ConfigError, Problem, Source};
use super::options::{OPTIONS, Opt, Preset};
use super::overrides::Overrides;
use super::postgres::RawUser;
use super::raw::RawConfig;

/// What one option is set to, and by whom. The texts have passed the option's check.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The value, or the entries of the list; empty if the option is unset.
    pub(crate) texts: Vec<String>,
    /// Who set it.
    pub(crate) source: Source,
}

/// What every option is set to, and the checks and PostgreSQL users of the file.
#[derive(Clone, Debug)]
pub(crate) struct Settings(Vec<Setting>, Vec<RawCheck>, Vec<RawUser>);

impl Settings {
    /// Merges the layers and checks every value that somebody set.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) fn merge(raw: RawConfig, around: &Environment, flags: &Overrides) -> Result<Self, ConfigError> {
        let RawConfig { values: mut raw, checks, users } = raw;
        let mut problems = Vec::new();
        let settings = OPTIONS
            .iter()
            .map(|opt| {
                let from_file = raw.iter().position(|value| value.opt.key == opt.key).map(|at| raw.swap_remove(at));
                let setting = if let Some(texts) = flags.get(opt) {
                    Setting { texts: texts.to_vec(), source: Source::Flag(opt.flag) }
                } else if let Some(text) = around.variable(&opt.env()) {
                    Setting { texts: opt.split(text), source: Source::Env(opt.env()) }
                } else if let Some(value) = from_file {
                    Setting { texts: value.texts, source: value.source }
                } else {
                    preset(opt, around).unwrap_or_else(|problem| {
                        problems.push(problem);
                        Setting { texts: Vec::new(), source: Source::Default }
                    })
                };
                problems.extend(check(opt, &setting));
                setting
            })
            .collect();
        if problems.is_empty() { Ok(Self(settings, checks, users)) } else { Err(ConfigError { problems }) }
    }

    /// What `opt` is set to.
    pub(crate) fn get(&self, opt: &'static Opt) -> &Setting {
        // Invariant: one setting per option, in the order of the table; `merge` makes no others.
        let at = OPTIONS.iter().position(|other| other.key == opt.key);
        &self.0[at.expect("every option is in the table")]
    }

    /// The checks of the file.
    pub(crate) fn checks(&self) -> &[RawCheck] {
        &self.1
    }

    /// The PostgreSQL users of the file.
    pub(crate) fn postgres_users(&self) -> &[RawUser] {
        &self.2
    }

    /// Every option with what it is set to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static Opt, &Setting)> {
        OPTIONS.iter().copied().zip(&self.0)
    }
}

fn preset(opt: &'static Opt, around: &Environment) -> Result<Setting, Problem> {
    let texts = match opt.preset {
        Preset::Fixed(text) => opt.split(text),
        Preset::Unset(_) | Preset::Required(_) => Vec::new(),
        Preset::Computed { compute, .. } => opt.split(&compute(around).map_err(|problem| Problem {
            source: None,
            option: opt.key.to_owned(),
            problem,
        })?),
    };
    Ok(Setting { texts, source: Source::Default })
}

fn check(opt: &'static Opt, setting: &Setting) -> Vec<Problem> {
    if setting.source == Source::Default {
        return Vec::new();
    }
    let wrong = |problem| Problem { source: Some(setting.source.clone()), option: opt.key.to_owned(), problem };
    setting.texts.iter().filter_map(|text| opt.kind.check(text).err()).map(wrong).collect()
}
