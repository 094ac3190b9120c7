//! The files of the workspace, in memory.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Folders that are not part of the workspace's text: what is built, and what git keeps.
const PASSED_OVER: &[&str] = &["target", ".git"];

/// Files whose text rules look at. Of others only the path is known.
const READ: &[&str] = &["rs", "md", "toml"];

/// Paths from the root of the workspace, with slashes, and the text of those that rules look at.
pub(super) struct Tree {
    texts: BTreeMap<String, String>,
    folders: BTreeSet<String>,
}

impl Tree {
    /// Reads the workspace at `root`.
    ///
    /// # Errors
    /// When a folder or file cannot be read, or a source is not UTF-8; names it.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut texts = BTreeMap::new();
        read_folder(root, "", &mut texts)?;
        Ok(Self::new(texts))
    }

    /// A tree that was never on a disk.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn new(texts: BTreeMap<String, String>) -> Self {
        let slashes = |path: &String| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>();
        let folders = texts.keys().flat_map(slashes).collect();
        Self { texts, folders }
    }

    /// The text of a file. Empty for a file that no rule reads.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether there is a file or folder at `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.texts.contains_key(path) || self.folders.contains(path.trim_end_matches('/'))
    }

    /// Every file.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Every folder that has a file somewhere in it.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str)
    }

    /// Every Rust source of a crate, ours or xtask's, with its text.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(|(path, _)| is_code(path) && Path::new(path).extension().is_some_and(|end| end == "rs"))
    }

    /// The manifests of all packages, with their text; the workspace's own is not one.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .filter(|(path, _)| is_code(path) && file_name(path) == "Cargo.toml")
    }
}

/// Whether a path is in a package.
pub(super) fn is_code(path: &str) -> bool {
    path.starts_with("crates/") || path.starts_with("xtask/")
}

/// What follows the last slash.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `replica` for anything below `crates/replica/`.
pub(super) fn crate_of(path: &str) -> Option<&str> {
    path.strip_prefix("crates/")?.split_once('/').map(|(name, _)| name)
}

fn read_folder(folder: &Path, prefix: &str, texts: &mut BTreeMap<String, String>) -> Result<()> {
    let naming = || format!("cannot read the folder {}", folder.display());
    for entry in folder.read_dir().with_context(naming)? {
        let entry = entry.with_context(naming)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().with_context(naming)?;
        if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
            read_folder(&path, &format!("{prefix}{name}/"), texts)?;
        } else if kind.is_file() {
            let read = path.extension().is_some_and(|end| READ.iter().any(|read| end == *read));
            let text = if read { std::fs::read_to_string(&path) } else { Ok(String::new()) };
            texts.insert(format!("{prefix}{name}"), text.with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_workspace_can_be_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let tree = Tree::read(root).expect("readable");
        assert!(tree.text("Cargo.toml").expect("the workspace's own").contains("[workspace]"));
        assert!(tree.sources().any(|(path, _)| path == "xtask/src/tidy/tree.rs"));
        assert!(tree.manifests().any(|(path, _)| path == "xtask/Cargo.toml"));
        assert!(!tree.paths().any(|path| path.starts_with("target/") || path.starts_with(".git/")));
    }

    #[test]
    fn folders_exist_with_and_without_the_last_slash() {
        let tree = Tree::of(&[("docs/flows/tell.md", "")]);
        assert!(
            tree.has("docs/flows/tell.md") && tree.has("docs/flows") && tree.has("docs/flows/") && tree.has("docs")
        );
        assert!(!tree.has("docs/flow") && !tree.has("flows"));
    }

    #[test]
    fn a_path_knows_its_crate() {
        assert_eq!(crate_of("crates/replica/src/lib.rs"), Some("replica"));
        assert_eq!(crate_of("xtask/src/main.rs"), None);
    }
}
