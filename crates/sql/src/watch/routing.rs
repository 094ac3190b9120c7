//! Which questions a changed row may matter to.

use std::collections::{BTreeSet, HashMap};
use whither_model::sql::Value;

/// From rows to questions that look at rows one by one.
#[derive(Debug, Default)]
pub(super) struct Routing {
    tables: HashMap<String, Routes>,
}

#[derive(Debug, Default)]
struct Routes {
    /// By column and value: those whose rows all have it.
    filtered: HashMap<usize, HashMap<Box<[u8]>, BTreeSet<u64>>>,
    /// All others.
    unfiltered: BTreeSet<u64>,
    /// Those that show the row with this key.
    showing: HashMap<Box<[u8]>, Vec<u64>>,
}

impl Routing {
    /// Whether any question looks at this table's rows.
    pub(super) fn cares_about(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    pub(super) fn add(&mut self, id: u64, table: &str, filter: Option<(usize, Value)>) {
        let routes = self.tables.entry(table.to_owned()).or_default();
        match filter {
            Some((column, value)) => {
                let key = whither_tables::row_bytes(&[value]);
                routes.filtered.entry(column).or_default().entry(key.into()).or_default().insert(id);
            }
            None => drop(routes.unfiltered.insert(id)),
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.tables.retain(|_, routes| {
            routes.unfiltered.remove(&id);
            routes.filtered.retain(|_, values| {
                values.retain(|_, ids| {
                    ids.remove(&id);
                    !ids.is_empty()
                });
                !values.is_empty()
            });
            routes.showing.retain(|_, ids| {
                ids.retain(|known| *known != id);
                !ids.is_empty()
            });
            !(routes.unfiltered.is_empty() && routes.filtered.is_empty())
        });
    }

    /// The questions to which a row may matter that has these values now.
    pub(super) fn candidates(&self, table: &str, key: &[u8], values: Option<&[Value]>) -> BTreeSet<u64> {
        let Some(routes) = self.tables.get(table) else { return BTreeSet::new() };
        let mut found: BTreeSet<u64> = routes.showing.get(key).into_iter().flatten().copied().collect();
        let Some(values) = values else { return found };
        found.extend(&routes.unfiltered);
        for (column, by_value) in &routes.filtered {
            let Some(value) = values.get(*column) else { continue };
            let bytes = whither_tables::row_bytes(std::slice::from_ref(value));
            found.extend(by_value.get(&*bytes).into_iter().flatten());
        }
        found
    }

    /// A question shows the row with this key, or not.
    pub(super) fn shows(&mut self, table: &str, key: &[u8], id: u64, shown: bool) {
        let Some(routes) = self.tables.get_mut(table) else { return };
        if shown {
            let ids = routes.showing.entry(key.into()).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        } else if let Some(ids) = routes.showing.get_mut(key) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                routes.showing.remove(key);
            }
        }
    }
}
