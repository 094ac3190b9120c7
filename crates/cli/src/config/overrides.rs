//! The flags of `whither agent`: one per option, made from the table, so that they cannot differ from it.

use super::options::{OPTIONS, Opt, SECTIONS};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// What was given on the command line: the file, and options that win over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The configuration file, if there is one.
    pub(crate) config: Option<PathBuf>,
    /// The options given as flags, not yet checked.
    values: Vec<(&'static str, Vec<String>)>,
}

impl Overrides {
    /// Only a file, no flags.
    pub(crate) fn file(path: PathBuf) -> Self {
        Self { config: Some(path), values: Vec::new() }
    }

    /// With `opt` set to `texts`, as if its flag had been given.
    #[cfg(test)]
    pub(crate) fn with(mut self, opt: &'static Opt, texts: &[&str]) -> Self {
        self.values.push((opt.key, texts.iter().map(ToString::to_string).collect()));
        self
    }

    /// What the flag of `opt` was given.
    pub(crate) fn get(&self, opt: &Opt) -> Option<&[String]> {
        self.values.iter().find(|(key, _)| *key == opt.key).map(|(_, texts)| texts.as_slice())
    }
}

impl clap::Args for Overrides {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .short('c')
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The configuration file, TOML; `whither config` prints one to start from [env: WHITHER_CONFIG]");
        OPTIONS.iter().fold(command.arg(file), |command, opt| command.arg(flag(opt)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(opt: &'static Opt) -> Arg {
    let heading = SECTIONS.iter().find(|section| section.name == opt.section()).map(|section| section.title);
    let action = if opt.kind.is_list() { ArgAction::Append } else { ArgAction::Set };
    let many = if opt.kind.is_list() { "; may be repeated" } else { "" };
    let arg = Arg::new(opt.key).long(opt.flag).value_name(opt.kind.value_name()).action(action);
    arg.help(format!("{}{many}{} [env: {}]", opt.help, opt.flag_preset(), opt.env())).help_heading(heading)
}

impl clap::FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = OPTIONS.iter().filter_map(|opt| {
            let texts = matches.get_many::<String>(opt.key)?;
            // A list may also be given at once: `--join a,b`.
            Some((opt.key, texts.flat_map(|text| opt.split(text)).collect()))
        });
        Ok(Self { config: matches.get_one("config").cloned(), values: values.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
