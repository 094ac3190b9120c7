//! The stories in `scripts/`, in the order of their names: read them to learn the protocol.
//!
//! `UPDATE=1 cargo test -p whither-sim --test scripts` records what comes out; the diff is what gets reviewed.

use std::path::PathBuf;

#[test]
fn stories_go_as_told() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a folder of stories").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "the stories are missing");
    let update = std::env::var_os("UPDATE").is_some();
    let mut different = Vec::new();
    for file in files {
        let story = std::fs::read_to_string(&file).expect("a readable story");
        let told = whither_sim::script::run(&story).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
        if told.trim_end() != story.trim_end() {
            if update {
                std::fs::write(&file, format!("{}\n", told.trim_end())).expect("a writable story");
            } else {
                different.push(format!("{}:\n{told}", file.display()));
            }
        }
    }
    assert!(different.is_empty(), "stories went otherwise (UPDATE=1 records them):\n{}", different.join("\n"));
}
