//! Who may depend on whom, among ourselves and outside.

use super::Finding;
use super::manifest::{Dependency, Manifest};
use super::tree::{Tree, crate_of};

/// What a crate may depend on.
enum May {
    /// Not even on a crate of somebody else.
    NothingAtAll,
    /// Of ours, only on these.
    Only(&'static [&'static str]),
    /// Of ours, on all but these.
    AllBut(&'static [&'static str]),
    /// On anything, ours or not, without limits.
    Anything,
}

/// Who may depend on whom, in programs and in tests alike. Absent means forbidden. See ARCHITECTURE.md.
const LAYERS: &[(&str, May)] = &[
    ("model", May::NothingAtAll),                 // What everyone depends on depends on nothing.
    ("gossip", May::Only(&["model"])),            // Knows members and news, not what the news says.
    ("population", May::Only(&["model"])),        // Knows time and networks, and no protocol.
    ("replica", May::Only(&["model", "gossip"])), // Knows no clock, socket, disk or executor.
    ("store", May::Only(&["model"])),             // Knows encoded rows, not what they mean.
    ("tables", May::Only(&["model"])),            // Merges what many write; knows no peer, clock or thread.
    ("transport", May::Only(&[])),                // Knows bytes and addresses, not records.
    ("directory", May::Only(&["model"])),         // Where surfaces and node meet: it knows neither.
    ("doors", May::Only(&["directory"])),         // Lets HTTP connections in; knows no path.
    ("checks", May::Only(&["model"])),            // Probes addresses; knows no catalog and no surface.
    ("sql", May::Only(&["model", "directory", "tables"])), // Asks and writes users' tables; knows no peer and no surface.
    ("node", May::Only(&["model", "replica", "store", "transport", "directory", "sql"])), // Joins them; knows no surface.
    ("api-pg", May::Only(&["model", "directory", "tables"])), // As all APIs; its tests stand on tables, for they execute SQL.
    ("api-*", May::Only(&["model", "directory", "doors"])),   // An API never meets the node, nor another API.
    ("sim", May::Only(&["model", "gossip", "replica", "directory", "population", "tables"])), // Takes the place of node, store and transport.
    ("proof", May::Only(&["model", "gossip", "replica", "sim", "population"])), // Papers' protocols beside ours.
    ("cli", May::AllBut(&["proof", "bench"])), // Composes the program; ships no test rig.
    ("bench", May::Anything),                  // Apart, so that what it needs stays out.
];

/// Crates that must stay deterministic, and what would end that.
const KEPT_OUT: &[(&str, &[&str])] = &[("replica", &["tokio", "quinn", "rusqlite"]), ("tables", &["tokio", "quinn"])];

/// Crates of others, with all that share their name's beginning, and the crates of ours that know them.
const AT_HOME: &[(&str, &[&str])] = &[
    ("axum", &["api-http"]),
    ("hickory", &["api-dns"]),
    ("pgwire", &["api-pg"]),
    ("quinn", &["transport"]),
    ("rusqlite", &["store", "tables", "sql"]),
    ("utoipa", &["api-http"]),
];

/// Every dependency on one of our own crates is one that [`LAYERS`] allows.
pub(super) fn among_ourselves(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, name, dependencies) in crates(tree) {
        let Some((_, may)) = layer(name) else {
            let right = "give it a line in LAYERS in xtask/src/tidy/layers.rs, which says on what it may depend";
            findings.push(Finding::new(path, 1, format!("nobody has said where the crate `{name}` belongs"), right));
            continue;
        };
        for Dependency { kind, package, line } in &dependencies {
            let Some(ours) = our_name(package).filter(|ours| !allows(may, ours)) else { continue };
            let what = format!("`{name}` depends on `{ours}` ([{kind}])");
            findings.push(Finding::new(path, *line, what, format!("{name} {}", in_words(may))));
        }
    }
    findings
}

/// Crates of others stay where they belong: nothing below `model`, and each heavy one in one place.
pub(super) fn externals(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, name, dependencies) in crates(tree) {
        let may = layer(name).map_or(&May::Only(&[]), |(_, may)| may);
        for Dependency { kind, package, line } in dependencies.iter().filter(|one| our_name(&one.package).is_none()) {
            if let Some(right) = no_place_for(package, name, may) {
                findings.push(Finding::new(path, *line, format!("`{name}` depends on `{package}` ([{kind}])"), right));
            }
        }
    }
    findings
}

/// Why a crate of ours may not depend on this one of others.
fn no_place_for(package: &str, name: &str, may: &May) -> Option<String> {
    let kept_out = KEPT_OUT.iter().find(|(kept, _)| *kept == name).map_or(&[][..], |(_, externals)| externals);
    match may {
        May::Anything => None,
        May::NothingAtAll => Some(format!("{name} {}", in_words(may))),
        _ if kept_out.iter().any(|external| is_of(package, external)) => {
            Some(format!("{name} stays without {}: what it needs of them is passed in", kept_out.join(", ")))
        }
        _ => AT_HOME
            .iter()
            .find(|(external, homes)| is_of(package, external) && !homes.contains(&name))
            .map(|(external, homes)| format!("{external} belongs in {} alone", homes.join(", "))),
    }
}

/// Manifests of our crates: path, name of the folder, dependencies.
fn crates(tree: &Tree) -> impl Iterator<Item = (&str, &str, Vec<Dependency>)> {
    let workspace = Manifest::parse(tree.text("Cargo.toml").unwrap_or_default());
    tree.manifests().filter_map(move |(path, text)| {
        let name = crate_of(path).filter(|name| path == format!("crates/{name}/Cargo.toml"))?;
        Some((path, name, Manifest::parse(text).dependencies(&workspace)))
    })
}

fn layer(name: &str) -> Option<&'static (&'static str, May)> {
    LAYERS.iter().find(|(layer, _)| match layer.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *layer == name,
    })
}

/// The folder in `crates/` behind a package of ours.
fn our_name(package: &str) -> Option<&str> {
    match package {
        "whither" => Some("cli"),
        "xtask" => Some("xtask"),
        package => package.strip_prefix("whither-"),
    }
}

fn allows(may: &May, ours: &str) -> bool {
    match may {
        May::NothingAtAll => false,
        May::Only(allowed) => allowed.contains(&ours),
        May::AllBut(refused) => !refused.contains(&ours),
        May::Anything => true,
    }
}

fn in_words(may: &May) -> String {
    match may {
        May::NothingAtAll => "may depend on nothing at all".to_owned(),
        May::Only([]) => "may depend on no crate of ours".to_owned(),
        May::Only(allowed) => format!("may depend, of ours, only on {}", allowed.join(", ")),
        May::AllBut(refused) => format!("may depend on all of ours but {}", refused.join(", ")),
        May::Anything => "may depend on anything".to_owned(),
    }
}

/// `hickory-proto` is of hickory; `tokiodb` is not of tokio.
fn is_of(package: &str, external: &str) -> bool {
    package.strip_prefix(external).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, manifest: &str) -> Tree {
        Tree::of(&[(&format!("crates/{name}/Cargo.toml"), manifest)])
    }

    fn ours(name: &str, manifest: &str) -> Vec<String> {
        among_ourselves(&of(name, manifest)).iter().map(ToString::to_string).collect()
    }

    fn others(name: &str, manifest: &str) -> Vec<String> {
        externals(&of(name, manifest)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_surface_that_meets_the_node_is_found() {
        assert_eq!(
            ours("api-dns", "[dependencies]\nwhither-model.workspace = true\nwhither-node.workspace = true\n"),
            ["crates/api-dns/Cargo.toml:3: `api-dns` depends on `node` ([dependencies]); \
              api-dns may depend, of ours, only on model, directory, doors"]
        );
    }

    #[test]
    fn a_cycle_through_tests_is_found() {
        let found = ours("replica", "[dev-dependencies]\nwhither-sim = { path = \"../sim\" }\n");
        assert!(found[0].contains("`replica` depends on `sim` ([dev-dependencies])"), "{found:?}");
    }

    #[test]
    fn each_layer_is_held_to_its_line() {
        for (name, wrong) in [
            ("model", "replica"),
            ("replica", "directory"),
            ("store", "replica"),
            ("transport", "model"),
            ("directory", "replica"),
            ("node", "api-http"),
            ("api-http", "api-dns"),
            ("sim", "node"),
            ("cli", "proof"),
            ("gossip", "replica"),
            ("population", "gossip"),
            ("cli", "bench"),
        ] {
            assert_eq!(ours(name, &format!("[dependencies]\nwhither-{wrong} = \"1\"\n")).len(), 1, "{name} on {wrong}");
        }
    }

    #[test]
    fn what_is_allowed_is_not_found() {
        for (name, right) in [
            ("replica", "model"),
            ("node", "transport"),
            ("api-http", "directory"),
            ("sim", "replica"),
            ("cli", "node"),
            ("bench", "sim"),
        ] {
            assert!(ours(name, &format!("[dependencies]\nwhither-{right} = \"1\"\n")).is_empty(), "{name} on {right}");
        }
    }

    #[test]
    fn nobody_depends_on_the_program_or_on_the_chores() {
        assert_eq!(ours("sim", "[dev-dependencies]\nwhither = \"1\"\nxtask = \"1\"\n").len(), 2);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let found = ours("rumours", "[package]\nname = \"whither-rumours\"\n");
        assert!(found[0].starts_with("crates/rumours/Cargo.toml:1: nobody has said"), "{found:?}");
    }

    #[test]
    fn model_depends_on_nothing_whatsoever() {
        assert_eq!(
            others("model", "[dependencies]\nthiserror = \"2\"\n[dev-dependencies]\nproptest = \"1\"\n").len(),
            2
        );
        assert!(others("replica", "[dependencies]\nbytes = \"1\"\n").is_empty());
    }

    #[test]
    fn an_executor_in_the_core_is_found_under_any_name() {
        let found =
            others("replica", "[dependencies]\nrt = { package = \"tokio\", version = \"1\" }\ntokio-util = \"1\"\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`replica` depends on `tokio`") && found[0].contains("passed in"), "{found:?}");
    }

    #[test]
    fn heavy_crates_stay_at_home() {
        for (name, wrong) in [
            ("cli", "axum"),
            ("api-http", "hickory-proto"),
            ("node", "quinn"),
            ("node", "rusqlite"),
            ("cli", "utoipa-axum"),
            ("api-xds", "axum-extra"),
        ] {
            assert_eq!(others(name, &format!("[dependencies]\n{wrong} = \"1\"\n")).len(), 1, "{wrong} in {name}");
        }
        assert!(others("transport", "[dependencies]\nquinn = \"1\"\nquinn-proto = \"1\"\ntokio = \"1\"\n").is_empty());
        assert!(others("bench", "[dependencies]\naxum = \"1\"\n").is_empty());
    }
}
