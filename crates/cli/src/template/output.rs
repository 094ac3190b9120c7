//! The file that is made: replaced as a whole, or not at all.

use super::error::{Kind, Trouble};
use super::exec;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Of files that were not there before, unless another is given.
const MODE: u32 = 0o644;

/// How one file is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Output {
    /// Where.
    pub(super) path: PathBuf,
    /// Its mode, if it is to be another than it was.
    pub(super) mode: Option<u32>,
    /// Keep what was there as `.bak`.
    pub(super) backup: bool,
    /// What has to say yes to the new file; `{}` is its name.
    pub(super) check: Option<String>,
}

impl Output {
    /// Whether the file says something else than `text`, or is not there.
    ///
    /// # Errors
    /// It cannot be read, or is no file.
    pub(super) fn differs(&self, text: &str) -> Result<bool, Trouble> {
        let path = self.real();
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(self.trouble(&error)),
            Ok(there) if !there.is_file() => {
                let text = format!("{} is no file; --dry-run prints", path.display());
                Err(Trouble::new(Kind::File, text))
            }
            Ok(there) if there.len() != text.len() as u64 => Ok(true),
            Ok(_) => fs::read(&path).map(|bytes| bytes != text.as_bytes()).map_err(|error| self.trouble(&error)),
        }
    }

    /// Replaces the file by one that says `text`, once the check said yes. It has what it had, or all of `text`, at any moment and
    /// after any crash.
    ///
    /// # Errors
    /// The check said no, or the file cannot be written. It is as it was.
    pub(super) fn replace(&self, text: &str) -> Result<(), Trouble> {
        let path = self.real();
        let before = fs::metadata(&path).ok();
        let temporary = Temporary::beside(&path);
        self.write(&temporary.0, text, before.as_ref()).map_err(|error| self.trouble(&error))?;
        if let Some(check) = &self.check {
            let command = check.replace("{}", &exec::quoted(&temporary.0.to_string_lossy()));
            exec::run(&command, &path, Kind::Check, exec::TIMEOUT)?;
        }
        if self.backup && before.is_some() {
            back_up(&path).map_err(|error| self.trouble(&error))?;
        }
        fs::rename(&temporary.0, &path).and_then(|()| sync_directory(&path)).map_err(|error| self.trouble(&error))
    }

    /// Behind a link is the file that is meant; the link stays.
    fn real(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    fn write(&self, temporary: &Path, text: &str, before: Option<&Metadata>) -> io::Result<()> {
        // Left behind by one that was killed.
        match fs::remove_file(temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nobody else reads it before it has the mode that it is to have.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        file.write_all(text.as_bytes())?;
        if let Some(before) = before {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
        }
        let mode = self.mode.or(before.map(|before| before.mode() & 0o7777)).unwrap_or(MODE);
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        Trouble::new(Kind::File, format!("{}: {error}", self.path.display()))
    }
}

/// Removed, unless it has become the file.
struct Temporary(PathBuf);

impl Temporary {
    /// In the same directory, or it could not be renamed; without the file's ending, or it would be included with it.
    fn beside(path: &Path) -> Self {
        Self(path.with_file_name(format!(".{}.whither-new", path.file_name().unwrap_or_default().to_string_lossy())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It is usually gone.
        drop(fs::remove_file(&self.0));
    }
}

/// A second name for what is there now; the first one is about to go to the new file.
fn back_up(path: &Path) -> io::Result<()> {
    let named = |ending: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        path.with_file_name(name)
    };
    let (temporary, backup) = (named(".bak-new"), named(".bak"));
    drop(fs::remove_file(&temporary));
    fs::hard_link(path, &temporary)?;
    fs::rename(&temporary, &backup)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(dir: &Path) -> Output {
        Output { path: dir.join("a.cfg"), mode: None, backup: false, check: None }
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = output(dir.path());
        assert_eq!(output.differs("one"), Ok(true));
        output.replace("one").unwrap();
        let mode = || fs::metadata(&output.path).unwrap().mode() & 0o7777;
        assert_eq!((output.differs("one"), output.differs("two"), mode()), (Ok(false), Ok(true), 0o644));
        fs::set_permissions(&output.path, fs::Permissions::from_mode(0o640)).unwrap();
        output.backup = true;
        output.replace("two").unwrap();
        assert_eq!(fs::metadata(&output.path).unwrap().mode() & 0o7777, 0o640);
        output.mode = Some(0o600);
        output.replace("three").unwrap();
        assert_eq!(fs::metadata(&output.path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_to_string(dir.path().join("a.cfg.bak")).unwrap(), "two");
        assert_eq!(names(dir.path()), ["a.cfg", "a.cfg.bak"], "nothing else is left");
    }

    #[test]
    fn what_the_check_refuses_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = output(dir.path());
        output.check = Some("grep -q good {}".to_owned());
        output.replace("good").unwrap();
        let refused = output.replace("bad").unwrap_err();
        assert_eq!(refused.kind, Kind::Check);
        assert!(refused.text.starts_with("`grep -q good '/") && refused.text.ends_with("failed with 1"), "{refused}");
        assert_eq!(
            (fs::read_to_string(&output.path).unwrap(), names(dir.path())),
            ("good".into(), vec!["a.cfg".into()])
        );
    }

    #[test]
    fn a_link_stays_and_what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut output = output(dir.path());
        fs::write(dir.path().join("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", &output.path).unwrap();
        output.replace("new").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("real")).unwrap(), "new");
        assert!(fs::symlink_metadata(&output.path).unwrap().is_symlink());
        output.path = dir.path().to_owned();
        assert!(output.differs("x").unwrap_err().text.contains("is no file"));
        output.path = dir.path().join("none/a.cfg");
        assert!(output.replace("x").unwrap_err().text.contains("none/a.cfg: No such file"));
        // A file that was left behind is in nobody's way.
        output.path = dir.path().join("b");
        fs::write(dir.path().join(".b.whither-new"), "half").unwrap();
        output.replace("whole").unwrap();
        assert_eq!(fs::read_to_string(&output.path).unwrap(), "whole");
    }
}
