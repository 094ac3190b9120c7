//! Java keeps addresses in its own cache, and nobody outside can ask it which. What can be read is for how long.
//!
//! The rule is `sun.net.InetAddressCachePolicy`: the security property `networkaddress.cache.ttl` (java.security, or the
//! file named by `-Djava.security.properties`), else the system property `sun.net.inetaddr.ttl`, else 30 s, or for ever
//! under a security manager. The security property given with `-D` is not one, and has no effect.

use super::finding::{Finding, Layer, Verdict};
use super::host::{self, within};
use super::processes::Process;
use crate::duration;
use std::fs;
use std::path::{Path, PathBuf};

/// What applies when nobody says anything, seconds.
const PRESET: i64 = 30;
const SECURITY_PROPERTY: &str = "networkaddress.cache.ttl";
const SYSTEM_PROPERTY: &str = "sun.net.inetaddr.ttl";
/// Where a JDK, or a JRE in one, keeps its security properties, from the folder that `bin` is in.
const SECURITY_FILES: [&str; 3] =
    ["conf/security/java.security", "lib/security/java.security", "jre/lib/security/java.security"];
/// Options whose value is the next word (the java command's page).
const WITH_VALUE: [&str; 11] = [
    "-cp",
    "-classpath",
    "--class-path",
    "-p",
    "--module-path",
    "--upgrade-module-path",
    "--add-modules",
    "--limit-modules",
    "--add-reads",
    "--add-exports",
    "--add-opens",
];

/// How long a Java process keeps an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    /// Seconds; negative is for ever.
    pub(super) seconds: i64,
    /// Who says so.
    pub(super) because: String,
    /// What else there is to say about it.
    pub(super) note: Option<&'static str>,
}

/// Whether it is a Java process.
pub(super) fn is_java(process: &Process) -> bool {
    let program = fs::read_link(process.folder.join("exe")).ok();
    process.name == "java" || program.is_some_and(|path| path.file_name().is_some_and(|name| name == "java"))
}

/// Looks at a Java process.
pub(super) fn look(process: &Process) -> Finding {
    let who = process.words();
    let found = Finding::new(Layer::Jvm, &who, SECURITY_PROPERTY, Verdict::CannotTell);
    let Ok(command_line) = host::settings(&process.folder.join("cmdline")) else {
        let says = format!("{who} cannot be looked at");
        return found.saying(says).advising("ask again as root, or as the user of that process");
    };
    let options = options(&command_line.text, &environment(process));
    let (files, unreadable) = security_files(process, &options);
    let kept = kept(&options, &files);
    judge(found, &who, &kept, unreadable)
}

fn judge(mut found: Finding, who: &str, kept: &Kept, unreadable: bool) -> Finding {
    found.ttl_s = u64::try_from(kept.seconds).ok();
    let unless = if unreadable { ", unless its java.security says otherwise, which may not be read" } else { "" };
    let note = kept.note.map(|note| format!("; {note}")).unwrap_or_default();
    let because = format!("({}{unless}){note}", kept.because);
    match found.ttl_s {
        None => found.saying(format!("{who} keeps an address for ever once it knows it {because}")).advising(format!(
            "restart it if it calls an address that is gone; set {SECURITY_PROPERTY} to a few seconds in its java.security"
        )),
        Some(0) if !unreadable => {
            found.verdict = Verdict::Agrees;
            found.saying(format!("{who} keeps no address {because}"))
        }
        Some(seconds) => {
            let time = duration::words(Some(seconds.saturating_mul(1000)));
            found.saying(format!("{who} may use an address for {time} after it is gone {because}"))
        }
    }
}

/// The words that are options of the virtual machine, in the order in which they count; the last word wins.
/// `command_line` has a NUL after every word.
fn options(command_line: &str, environment: &[(String, String)]) -> Vec<String> {
    let of = |variable: &str| {
        let text = environment.iter().find(|(name, _)| name == variable).map_or("", |(_, value)| value);
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut options = of("JAVA_TOOL_OPTIONS");
    options.extend(of("JDK_JAVA_OPTIONS"));
    let mut words = command_line.split('\0').skip(1);
    while let Some(word) = words.next() {
        // What comes after the program's name is for the program.
        if !word.starts_with('-') || matches!(word, "-jar" | "-m" | "--module") {
            break;
        }
        if WITH_VALUE.contains(&word) {
            let _ = words.next();
        }
        options.push(word.to_owned());
    }
    options.extend(of("_JAVA_OPTIONS"));
    options
}

fn environment(process: &Process) -> Vec<(String, String)> {
    let text = host::settings(&process.folder.join("environ")).map(|content| content.text).unwrap_or_default();
    text.split('\0').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn system_property<'o>(options: &'o [String], name: &str) -> Option<&'o str> {
    let value = |option: &'o String| {
        let rest = option.strip_prefix("-D")?.strip_prefix(name)?;
        if rest.is_empty() { Some("") } else { rest.strip_prefix('=') }
    };
    options.iter().rev().find_map(value)
}

/// The security properties in the order in which they count, the last wins: the name of each file, and what is in it.
/// Also whether one that should be there may not be read.
fn security_files(process: &Process, options: &[String]) -> (Vec<(String, String)>, bool) {
    let root = process.folder.join("root");
    let mut paths = Vec::new();
    let added = system_property(options, "java.security.properties");
    // Two equals signs: instead of the JDK's own.
    let (replaces, added) = match added.map(|added| added.strip_prefix('=').map_or((false, added), |only| (true, only)))
    {
        Some((replaces, path)) => (replaces, Some(path.strip_prefix("file:").unwrap_or(path))),
        None => (false, None),
    };
    let mut unreadable = false;
    if !replaces {
        match fs::read_link(process.folder.join("exe")) {
            Ok(program) => paths.push(own_security_file(&root, &program)),
            Err(_) => unreadable = true,
        }
    }
    paths.push(added.map(|added| {
        let directory = fs::read_link(process.folder.join("cwd")).unwrap_or_default();
        directory.join(added)
    }));
    let mut files = Vec::new();
    for path in paths.into_iter().flatten() {
        match host::settings(&within(&root, &path)) {
            Ok(content) => files.push((path.display().to_string(), content.text)),
            Err(_) => unreadable = true,
        }
    }
    (files, unreadable)
}

fn own_security_file(root: &Path, program: &Path) -> Option<PathBuf> {
    let home = program.parent()?.parent()?;
    let candidates = SECURITY_FILES.map(|file| home.join(file));
    candidates.iter().find(|file| within(root, file).is_file()).or(candidates.first()).cloned()
}

/// The last value of a property in a file of Java's (`java.util.Properties`); values of several lines are not put together.
fn property<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let value = |line: &'t str| {
        let rest = line.trim_start().strip_prefix(name)?;
        let value = rest.trim_start_matches([' ', '\t']);
        match value.strip_prefix(['=', ':']) {
            Some(value) => Some(value.trim()),
            None if value.len() < rest.len() => Some(value.trim()),
            None => None,
        }
    };
    text.lines().rev().find_map(value)
}

/// How long an address is kept, given the options and the security files.
pub(super) fn kept(options: &[String], files: &[(String, String)]) -> Kept {
    let ignored = system_property(options, SECURITY_PROPERTY).is_some();
    let note = ignored.then_some("-Dnetworkaddress.cache.ttl has no effect: it is a security property");
    let of = |seconds: i64, because: String| Kept { seconds, because, note };
    let by_security = files.iter().rev().find_map(|(path, text)| {
        // A value that is no number is passed over, and the next rule applies.
        let seconds: i32 = property(text, SECURITY_PROPERTY)?.parse().ok()?;
        Some(of(seconds.into(), format!("{SECURITY_PROPERTY}={seconds} in {path}")))
    });
    let by_system = || {
        let seconds: i32 = system_property(options, SYSTEM_PROPERTY)?.parse().ok()?;
        Some(of(seconds.into(), format!("-D{SYSTEM_PROPERTY}={seconds}")))
    };
    let by_manager = || {
        let manager = system_property(options, "java.security.manager")?;
        let installed = !matches!(manager, "allow" | "disallow");
        installed.then(|| of(-1, "it has a security manager".to_owned()))
    };
    by_security.or_else(by_system).or_else(by_manager).unwrap_or_else(|| of(PRESET, "Java's preset".to_owned()))
}
