//! The documents that show what was found: each cell, its verdict, and the command that makes it again.

use crate::gates::EXPERIMENTS;
use crate::grid;
use crate::kept::Kept;
use anyhow::Context;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A document.
pub struct Page {
    /// Its file in `docs/`.
    pub file: &'static str,
    /// How the names of its experiments begin.
    begins: char,
    title: &'static str,
    opening: &'static str,
}

/// All of them.
pub const PAGES: &[Page] = &[
    Page {
        file: "calibration.md",
        begins: 'C',
        title: "Calibration",
        opening: "What others published, beside what our simulator makes of the same protocol in the same situation. Nothing \
                  is claimed with the simulator that these gates do not support. Where a cell is not met, it says NO and \
                  stays.",
    },
    Page {
        file: "experiments.md",
        begins: 'E',
        title: "Experiments",
        opening: "Designs, of others and our own, in the same simulated world under the same faults.",
    },
];

impl Page {
    /// What the kept reports render to; `None` if there are none for this page.
    #[must_use]
    pub fn render(&self, kept: &[Kept]) -> Option<String> {
        let mine: Vec<&Kept> = kept.iter().filter(|one| one.name.starts_with(self.begins)).collect();
        if mine.is_empty() {
            return None;
        }
        let mut text = format!("# {}\n\n{}\n\n", self.title, self.opening);
        text.push_str(
            "This page is rendered from `crates/proof/results/`, by `cargo run --release -p whither-proof -- page`.\n",
        );
        text.push_str("\n| | | Judged | Met | CPU s |\n|---|---|---:|---:|---:|\n");
        for one in &mine {
            let (judged, met) = one.report.judged();
            let cpu = grid::number(one.cpu_seconds);
            let _ =
                writeln!(text, "| [{0}](#{1}) | {2} | {judged} | {met} | {cpu} |", one.name, anchor(one), one.about);
        }
        mine.iter().for_each(|one| section(&mut text, one));
        Some(text)
    }

    /// Where it belongs in the repository.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(self.file)
    }
}

/// Renders all pages for which something is kept, and writes them.
///
/// # Errors
///
/// If a report cannot be read or a page cannot be written.
pub fn write() -> anyhow::Result<()> {
    let kept = Kept::all(EXPERIMENTS)?;
    for page in PAGES {
        if let Some(text) = page.render(&kept) {
            fs::write(page.path(), text).with_context(|| format!("cannot write {}", page.path().display()))?;
            println!("docs/{}", page.file);
        }
    }
    Ok(())
}

fn anchor(kept: &Kept) -> String {
    kept.name.to_lowercase()
}

fn section(text: &mut String, kept: &Kept) {
    let _ = write!(text, "\n## {}\n\n{}. {}\n", kept.name, kept.about, grid::verdict(kept));
    for paragraph in &kept.report.text {
        let _ = write!(text, "\n{paragraph}\n");
    }
    for table in &kept.report.tables {
        let _ = write!(text, "\n**{}**\n\n{}", table.title, grid::markdown(table));
    }
    let _ = write!(text, "\n```console\n$ {}\n```\n", kept.command());
}
