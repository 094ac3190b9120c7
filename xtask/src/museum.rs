//! The museum of bugs: each fix is taken away in a copy of the workspace, and a test of the simulator must find the bug again.
//!
//! An exhibit is a folder in [`HALL`]: `exhibit.toml` tells the story and names the test and its seeds, and `unfix.patch` takes
//! the fix away.

use crate::step::cargo;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

const HALL: &str = "crates/sim/museum";
const TESTS: &str = "crates/sim/tests";

/// What `exhibit.toml` says, and where the patch is.
#[derive(Debug)]
struct Exhibit {
    /// That of its folder.
    name: String,
    title: String,
    story: String,
    /// The name of the test that finds it.
    test: String,
    /// Within how many seeds.
    seeds: u64,
    patch: PathBuf,
}

/// How a run of an exhibit's test ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    Passed,
    /// It failed, at this seed from 1; a test that names no seed has one.
    Failed {
        seed: u64,
    },
}

/// Shows the whole museum.
///
/// # Errors
/// As [`show`].
pub(crate) fn show_all(root: &Path) -> Result<()> {
    show(root, &[])
}

/// Shows the exhibits whose names contain one of `names`; all, if there is none.
///
/// # Errors
/// When a bug was not found again, a test fails although the fix is there, or a patch does not apply or compile.
pub(crate) fn show(root: &Path, names: &[String]) -> Result<()> {
    let exhibits = chosen(exhibits(root)?, names)?;
    let (tree, build) = (root.join("target/museum/tree"), root.join("target/museum/build"));
    let start = Instant::now();
    eprintln!("copying the workspace to {}, and running {} tests as they are", tree.display(), exhibits.len());
    copy(root, &tree)?;
    let stage = Stage { tree, build };
    stage.expect_health(&exhibits)?;
    println!("{:<46}{:<11}{:<9}{:>7}", "exhibit", "re-found", "at seed", "seconds");
    let mut missed = Vec::new();
    for exhibit in &exhibits {
        let start = Instant::now();
        let (found, seed, trouble) = match stage.without_the_fix(exhibit) {
            Ok(Ending::Failed { seed }) => ("yes", format!("{seed} of {}", exhibit.seeds), None),
            Ok(Ending::Passed) => ("no", format!("- of {}", exhibit.seeds), Some(not_found(exhibit))),
            Err(error) => ("?", "-".to_owned(), Some(format!("{}: {error:#}", exhibit.name))),
        };
        println!("{:<46}{found:<11}{seed:<9}{:>7.1}", exhibit.name, start.elapsed().as_secs_f64());
        missed.extend(trouble);
    }
    println!("{} of {} in {:.0} s", exhibits.len() - missed.len(), exhibits.len(), start.elapsed().as_secs_f64());
    ensure!(missed.is_empty(), "\n{}", missed.join("\n"));
    Ok(())
}

fn not_found(exhibit: &Exhibit) -> String {
    let Exhibit { name, title, story, test, seeds, .. } = exhibit;
    format!("{name} ({title}): `{test}` passes {seeds} seeds without the fix; it should fail. The bug: {story}")
}

fn chosen(all: Vec<Exhibit>, names: &[String]) -> Result<Vec<Exhibit>> {
    if let Some(name) = names.iter().find(|name| !all.iter().any(|exhibit| exhibit.name.contains(*name))) {
        let there: Vec<_> = all.iter().map(|exhibit| exhibit.name.as_str()).collect();
        bail!("there is no exhibit `{name}`; there are: {}", there.join(", "));
    }
    let wanted = |exhibit: &Exhibit| names.is_empty() || names.iter().any(|name| exhibit.name.contains(name));
    Ok(all.into_iter().filter(wanted).collect())
}

/// All exhibits, in the order of their names.
fn exhibits(root: &Path) -> Result<Vec<Exhibit>> {
    let hall = root.join(HALL);
    let folders = hall.read_dir().with_context(|| format!("cannot read {}", hall.display()))?;
    let mut paths = folders.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    paths.into_iter().map(|path| read(&path).with_context(|| format!("in {}", path.display()))).collect()
}

fn read(folder: &Path) -> Result<Exhibit> {
    let text = std::fs::read_to_string(folder.join("exhibit.toml")).context("cannot read exhibit.toml")?;
    let mut fields = fields(&text)?;
    let mut field = |name: &str| fields.remove(name).with_context(|| format!("exhibit.toml says no `{name}`"));
    let seeds = field("seeds")?;
    Ok(Exhibit {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        title: field("title")?,
        story: field("story")?,
        test: field("test")?,
        seeds: seeds
            .parse()
            .ok()
            .filter(|seeds| *seeds > 0)
            .with_context(|| format!("`{seeds}` is no number of seeds"))?,
        patch: folder.join("unfix.patch"),
    })
}

/// The little of TOML that exhibits use: a line for each key, with a string or a number.
fn fields(text: &str) -> Result<BTreeMap<String, String>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let field = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        let bare = if value.starts_with('"') { value.strip_prefix('"')?.strip_suffix('"')? } else { value };
        (!bare.contains(['"', '\\'])).then(|| (key.trim().to_owned(), bare.to_owned()))
    };
    lines
        .map(|line| field(line).with_context(|| format!("not of the form `key = \"text\"` or `key = 3`: {line}")))
        .collect()
}

/// The file in [`TESTS`] that has a test of that name, without its ending.
fn file_of(root: &Path, test: &str) -> Result<String> {
    for entry in root.join(TESTS).read_dir().with_context(|| format!("cannot read {TESTS}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if text.contains(&format!("fn {test}()")) {
                return Ok(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
    }
    bail!("there is no test `{test}` in {TESTS}")
}

/// `git apply` at `root` as if there were no repository: inside of one it would pass over files it does not keep.
fn apply(root: &Path, patch: &Path, how: &[&str]) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(root).env("GIT_CEILING_DIRECTORIES", root.parent().unwrap_or(root)).env_remove("GIT_DIR");
    let output = output(git.arg("apply").args(how).arg(patch))?;
    ensure!(
        output.status.success(),
        "unfix.patch does not apply:\n{}To renew it: take the fix away by hand, `git diff -U2 > {}`, and bring the fix back",
        String::from_utf8_lossy(&output.stderr),
        patch.display()
    );
    Ok(())
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))
}

/// Makes `tree` the same as the workspace at `root`: what git keeps, and what it would keep.
///
/// Files that are the same are not touched, so that Cargo compiles only what changed since the last time. Others get the
/// present time, and not that of their original: Cargo may have compiled the earlier text after that.
fn copy(root: &Path, tree: &Path) -> Result<()> {
    let mut git = Command::new("git");
    let output = output(git.current_dir(root).args(["ls-files", "-co", "--exclude-standard", "-z"]))?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).context("the name of a file is not UTF-8")?;
    // What was deleted and not committed is still named.
    let wanted: BTreeSet<PathBuf> =
        names.split_terminator('\0').map(PathBuf::from).filter(|name| root.join(name).is_file()).collect();
    for name in &wanted {
        let (from, to) = (root.join(name), tree.join(name));
        let text = std::fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if std::fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        std::fs::create_dir_all(to.parent().unwrap_or(tree))?;
        std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    remove_others(tree, tree, &wanted)
}

/// Removes what a former copy had, and the workspace has no more.
fn remove_others(tree: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_others(tree, &path, wanted)?;
        } else if !wanted.contains(path.strip_prefix(tree)?) {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The copy in which fixes are taken away, and where it is built.
struct Stage {
    tree: PathBuf,
    build: PathBuf,
}

impl Stage {
    /// A test that fails anyway finds nothing.
    fn expect_health(&self, exhibits: &[Exhibit]) -> Result<()> {
        for exhibit in exhibits {
            if let Ending::Failed { seed } = self.test(exhibit)? {
                bail!("`{}` fails at seed {seed} of {}, with the fix in place", exhibit.test, exhibit.seeds);
            }
        }
        Ok(())
    }

    /// Runs the exhibit's test without the fix, and brings the fix back.
    fn without_the_fix(&self, exhibit: &Exhibit) -> Result<Ending> {
        apply(&self.tree, &exhibit.patch, &[])?;
        let ending = self.test(exhibit);
        apply(&self.tree, &exhibit.patch, &["--reverse"])?;
        ending
    }

    fn test(&self, exhibit: &Exhibit) -> Result<Ending> {
        let file = file_of(&self.tree, &exhibit.test)?;
        let what = ["test", "--quiet", "--locked", "-p", "whither-sim", "--test", &file];
        let mut build = cargo(&self.tree, &what);
        let built = output(build.arg("--no-run").env("CARGO_TARGET_DIR", &self.build))?;
        ensure!(built.status.success(), "does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
        let mut test = cargo(&self.tree, &what);
        test.args(["--", "--exact", &exhibit.test]).env("CARGO_TARGET_DIR", &self.build);
        // Where it was is enough; a backtrace takes longer than the test.
        test.env("SEEDS", exhibit.seeds.to_string()).env_remove("SEED").env("RUST_BACKTRACE", "0");
        ending(&String::from_utf8_lossy(&output(&mut test)?.stdout))
            .ok_or_else(|| anyhow!("`{}` was run and told neither success nor failure", exhibit.test))
    }
}

/// What the output of exactly one test says.
fn ending(stdout: &str) -> Option<Ending> {
    let result = stdout.lines().find(|line| line.starts_with("test result:"))?;
    let seeds = stdout.lines().filter(|line| line.starts_with("seed ")).count();
    match result {
        passed if passed.contains(" 1 passed; 0 failed") => Some(Ending::Passed),
        failed if failed.contains(" 0 passed; 1 failed") => Some(Ending::Failed { seed: seeds.max(1) as u64 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        crate::root().expect("a workspace")
    }

    #[test]
    fn every_fix_can_be_taken_away_and_has_a_test() {
        let exhibits = exhibits(&root()).expect("a museum");
        assert!(exhibits.len() > 5);
        for Exhibit { name, title, story, test, patch, .. } in &exhibits {
            apply(&root(), patch, &["--check"]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            file_of(&root(), test).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!title.is_empty() && story.ends_with('.'), "{name} tells no story");
            let text = std::fs::read_to_string(patch).expect("it was applied");
            let touched = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
            let wrong: Vec<_> =
                touched.filter(|path| path.starts_with("crates/sim/") || !path.contains("/src/")).collect();
            assert!(wrong.is_empty(), "{name} changes {wrong:?}: a bug is in the product, not in its judge");
        }
    }

    #[test]
    fn every_exhibit_has_a_number_and_a_test_of_its_own() {
        let exhibits = exhibits(&root()).expect("a museum");
        let numbers = exhibits.iter().map(|exhibit| exhibit.name.split('-').next().and_then(|text| text.parse().ok()));
        let counted: Vec<_> = (1..=exhibits.len()).map(Some).collect();
        assert_eq!(numbers.collect::<Vec<Option<usize>>>(), counted);
        let tests: BTreeSet<_> = exhibits.iter().map(|exhibit| &exhibit.test).collect();
        assert_eq!(tests.len(), exhibits.len());
    }

    #[test]
    fn a_patch_that_does_not_apply_says_where_and_what_to_do() {
        let patch = "--- a/xtask/Cargo.toml\n+++ b/xtask/Cargo.toml\n@@ -1 +1 @@\n-no such line\n+another\n";
        let folder = root().join("target/museum-test");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("unfix.patch");
        std::fs::write(&path, patch).expect("written");
        let error = apply(&root(), &path, &["--check"]).expect_err("no such line").to_string();
        assert!(error.contains("xtask/Cargo.toml:1") && error.contains("To renew it"), "{error}");
    }

    #[test]
    fn only_one_test_that_ran_says_anything() {
        let of =
            |passed, failed| format!("seed 0\nseed 1\ntest result: ok. {passed} passed; {failed} failed; 0 ignored");
        assert_eq!(ending(&of(1, 0)), Some(Ending::Passed));
        assert_eq!(ending(&of(0, 1)), Some(Ending::Failed { seed: 2 }));
        assert_eq!(ending("test result: FAILED. 0 passed; 1 failed;"), Some(Ending::Failed { seed: 1 }));
        assert_eq!((ending(&of(0, 0)), ending(&of(2, 0)), ending("")), (None, None, None));
    }

    #[test]
    fn fields_are_lines_and_anything_else_is_refused() {
        let read = fields("# why\ntitle = \"A = b\"\n\nseeds = 3\n").expect("two fields");
        assert_eq!((read["title"].as_str(), read["seeds"].as_str()), ("A = b", "3"));
        for wrong in ["title", "title = \"half", "title = \"a\\nb\"", "[table]"] {
            let error = fields(wrong).expect_err(wrong).to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn an_exhibit_is_named_by_any_part_of_its_name() {
        let names = |name: &str| chosen(exhibits(&root()).expect("a museum"), &[name.to_owned()]);
        assert_eq!(names("01-").expect("the first").len(), 1);
        let error = names("unicorn").expect_err("none").to_string();
        assert!(error.contains("`unicorn`") && error.contains("01-"), "{error}");
    }

    #[test]
    fn a_copy_follows_the_workspace_and_touches_only_what_changed() {
        let tree = root().join("target/museum-test/tree");
        let (same, changed, surplus) = (tree.join("xtask/Cargo.toml"), tree.join("Cargo.toml"), tree.join("gone/a.rs"));
        copy(&root(), &tree).expect("copied");
        let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).expect("a time");
        let before = modified(&same);
        std::fs::write(&changed, "[patched]\n").expect("written");
        std::fs::create_dir_all(tree.join("gone")).expect("a folder");
        std::fs::write(&surplus, "").expect("written");
        copy(&root(), &tree).expect("copied again");
        assert_eq!(modified(&same), before);
        assert_eq!(std::fs::read(&changed).expect("there"), std::fs::read(root().join("Cargo.toml")).expect("there"));
        assert!(!surplus.exists());
    }
}
