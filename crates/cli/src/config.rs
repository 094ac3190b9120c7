//! What an agent is told: [`RawConfig`] is exactly the file, [`Config`] is what the code may hold.
//!
//! Between them stand the table of options ([`options`]) and the layers ([`settings`]): presets, then the file, then the
//! environment, then the flags; the later one wins. Nothing unchecked gets past [`load`].

pub(crate) mod checks;
pub(crate) mod document;
mod environment;
mod error;
mod kind;
mod options;
mod overrides;
mod postgres;
mod raw;
mod resolved;
mod settings;
mod socket;
mod tables;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use checks::{ChecksConfig, ConfiguredCheck};
pub(crate) use environment::hostname;
pub(crate) use error::ConfigError;
pub(crate) use overrides::Overrides;
pub(crate) use postgres::PostgresConfig;
pub(crate) use resolved::{Config, ConsulConfig, EurekaConfig, LogConfig, describe};
pub(crate) use socket::{SOCKET_PATH_BYTES_MAX, SocketConfig, SocketMode, fits_socket};
pub(crate) use tables::TablesConfig;
pub(crate) use values::{LogFormat, Seed, SeedHost};

use environment::Environment;
use raw::RawConfig;
use settings::Settings;
use std::path::PathBuf;

/// The configuration of an agent that is started with `args` in this process's environment.
///
/// # Errors
/// Everything that is wrong with it; nothing has been started or written.
pub(crate) fn load(args: &Overrides) -> Result<Config, ConfigError> {
    Config::resolve(&layers(args, &Environment::of_process())?)
}

/// As [`load`], and for every option who set it, in the order of the file.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_explained(args: &Overrides) -> Result<(Config, Vec<String>), ConfigError> {
    let settings = layers(args, &Environment::of_process())?;
    let sources = settings.iter().map(|(_, setting)| setting.source.to_string()).collect();
    Ok((Config::resolve(&settings)?, sources))
}

fn layers(args: &Overrides, around: &Environment) -> Result<Settings, ConfigError> {
    let path = args.config.clone().or_else(|| around.variable("WHITHER_CONFIG").map(PathBuf::from));
    let raw = path.map(|path| RawConfig::read(&path)).transpose()?.unwrap_or_default();
    Settings::merge(raw, around, args)
}
