//! A file that is there in whole, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How the names of those end that are not finished.
pub(crate) const UNFINISHED: &str = ".part";

/// A file under way, under another name beside its own. Unless it is kept, it goes.
pub(crate) struct WholeFile {
    path: PathBuf,
    part: PathBuf,
    /// What is written.
    pub(crate) file: File,
}

impl WholeFile {
    /// Begins a file, for this user alone. One that was begun before and not finished is void.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(UNFINISHED);
        let part = PathBuf::from(part);
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&part)?;
        Ok(Self { path: path.to_owned(), part, file })
    }

    /// Where it is until it is kept.
    pub(crate) fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name, once it is on the disk. What had that name is replaced.
    ///
    /// # Errors
    /// The system's; what had the name has it still, unless all but the last step was done.
    pub(crate) fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        sync_directory(&self.path)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Of one that was kept there is nothing left.
        drop(fs::remove_file(&self.part));
    }
}

/// Makes names in the directory of `path` durable.
///
/// # Errors
/// The system's.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_not_kept_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "old").unwrap();
        fs::write(dir.path().join("a.part"), "left by a crash").unwrap();
        let mut given_up = WholeFile::begin(&path).unwrap();
        given_up.file.write_all(b"new").unwrap();
        drop(given_up);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut kept = WholeFile::begin(&path).unwrap();
        kept.file.write_all(b"new").unwrap();
        kept.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
