//! SQL of several files as one text, whose lines know where they came from.

use crate::failure::Usage;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of SQL in all files together: more than anybody writes by hand, and less than an agent refuses to read.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The text, and where each file begins in it.
#[derive(Debug, Default)]
pub(crate) struct Text {
    sql: String,
    /// The name of each file, and how many lines come before its first.
    files: Vec<(String, usize)>,
}

impl Text {
    /// Reads files, the `*.sql` of directories by name, and standard input for `-`.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Usage> {
        let mut text = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let mut sql = String::new();
                let read = std::io::stdin().read_to_string(&mut sql);
                read.map_err(|error| Usage(format!("standard input cannot be read: {error}")))?;
                text.add("-", &sql)?;
            } else if path.is_dir() {
                for file in in_directory(path)? {
                    text.add_file(&file)?;
                }
            } else {
                text.add_file(path)?;
            }
        }
        Ok(text)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Usage> {
        let sql = std::fs::read_to_string(path).map_err(|error| Usage(format!("{}: {error}", path.display())))?;
        self.add(&path.display().to_string(), &sql)
    }

    fn add(&mut self, name: &str, sql: &str) -> Result<(), Usage> {
        if !self.sql.is_empty() {
            // A file may end without its last semicolon, or in a comment.
            self.sql.push_str("\n;\n");
        }
        self.files.push((name.to_owned(), self.sql.matches('\n').count()));
        self.sql.push_str(sql);
        if self.sql.len() > BYTES_MAX {
            return Err(Usage(format!("{name}: with it there is more than {} MiB of SQL", BYTES_MAX >> 20)));
        }
        Ok(())
    }

    /// All of it.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// `FILE:LINE` of a line of the text, from 1.
    pub(crate) fn place(&self, line: usize) -> Option<String> {
        let (name, before) = self.files.iter().rev().find(|(_, before)| *before < line)?;
        Some(format!("{name}:{}", line - before))
    }
}

fn in_directory(path: &Path) -> Result<Vec<PathBuf>, Usage> {
    let wrong = |error: std::io::Error| Usage(format!("{}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        if file.extension().is_some_and(|extension| extension == "sql") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(Usage(format!("{}: there is no *.sql in it", path.display()))) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_whole_is_one_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let single = file("last.txt", "DROP TABLE c");
        std::fs::create_dir(dir.path().join("d")).unwrap();
        for (name, text) in
            [("d/2.sql", "CREATE TABLE b\n(id)"), ("d/1.sql", "CREATE TABLE a (id);\n-- end"), ("d/x", "")]
        {
            file(name, text);
        }
        let text = Text::read(&[dir.path().join("d"), single]).unwrap();
        let lines: Vec<&str> = text.sql().lines().collect();
        let place = |wanted: &str| {
            let line = lines.iter().position(|line| *line == wanted).unwrap() + 1;
            text.place(line).unwrap().strip_prefix(&format!("{}/", dir.path().display())).unwrap().to_owned()
        };
        assert_eq!(place("CREATE TABLE a (id);"), "d/1.sql:1");
        assert_eq!(place("(id)"), "d/2.sql:2");
        assert_eq!(place("DROP TABLE c"), "last.txt:1");
        assert_eq!(text.place(0), None);
        assert!(Text::read(&[dir.path().join("gone.sql")]).unwrap_err().to_string().contains("gone.sql: "));
    }
}
