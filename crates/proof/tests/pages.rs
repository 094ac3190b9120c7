//! The pages in the repository say what the kept results say.

use whither_proof::gates::EXPERIMENTS;
use whither_proof::kept::Kept;
use whither_proof::page::PAGES;

#[test]
fn pages_are_what_the_results_render_to() {
    let kept = Kept::all(EXPERIMENTS).expect("kept results are reports");
    for page in PAGES {
        let committed = std::fs::read_to_string(page.path()).ok();
        let again = "render it again: cargo run --release -p whither-proof -- page";
        assert!(committed == page.render(&kept), "docs/{} is not what the results say; {again}", page.file);
    }
}

#[test]
fn names_are_told_apart_and_belong_to_a_page() {
    for (index, one) in EXPERIMENTS.iter().enumerate() {
        assert!(one.name.starts_with(['C', 'E']), "{} belongs to no page", one.name);
        assert!(EXPERIMENTS[..index].iter().all(|other| other.name != one.name), "{} is there twice", one.name);
    }
}
