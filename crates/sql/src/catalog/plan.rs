//! Which lookups serve a statement: what SQLite's planner asks, and what a cursor is told in the end.
//!
//! A lookup finds texts that are equal byte by byte. SQL's `=` may mean more: another collation finds `Web` for `web`, and
//! a number on the other side finds `007` for 7. There a lookup would lose rows. So a key is used only where the
//! comparison is BINARY, and only for texts; everything is compared once more by SQLite itself.

use super::Snapshot;
use super::table::{CatalogTable, KEYS_MAX, Size, Wanted};
use rusqlite::Result;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{Filters, IndexConstraintOp, IndexInfo};
use std::ffi::c_int;

/// How many values `IN` is taken to have: what SQLite itself assumes when it does not know.
const IN_USUALLY: f64 = 25.0;

/// How a key is given to a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    /// As one value.
    One,
    /// As all values of an `IN`.
    Many,
}

/// A scan as the planner's number says it: two bits for each key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Plan([Option<Given>; KEYS_MAX]);

impl Plan {
    fn number(self) -> c_int {
        self.0.iter().rev().fold(0, |number, given| {
            number << 2
                | match given {
                    None => 0,
                    Some(Given::One) => 1,
                    Some(Given::Many) => 2,
                }
        })
    }

    fn of(number: c_int) -> Self {
        Self(std::array::from_fn(|at| match number >> (2 * at) & 3 {
            1 => Some(Given::One),
            2 => Some(Given::Many),
            _ => None,
        }))
    }
}

/// Answers the planner, for a catalog of the size of the one in `snapshot`.
pub(super) fn choose<T: CatalogTable>(info: &mut IndexInfo, snapshot: Option<&Snapshot>) -> Result<()> {
    let chosen = lookups::<T>(info)?;
    let (mut plan, mut words, mut argument) = (Plan::default(), Vec::new(), 0);
    for (at, lookup) in chosen.into_iter().enumerate() {
        let Some((constraint, given)) = lookup else { continue };
        if given == Given::Many {
            info.set_in_constraint(constraint, true)?;
        }
        argument += 1;
        let mut usage = info.constraint_usage(constraint);
        usage.set_argv_index(argument);
        usage.set_omit(false);
        plan.0[at] = Some(given);
        words.push(format!("{}{}", T::KEYS[at], if given == Given::One { "=?" } else { " IN ?" }));
    }
    info.set_idx_num(plan.number());
    // For whoever reads EXPLAIN QUERY PLAN.
    info.set_idx_str(&words.join(" AND "));
    let size = Size::of(snapshot.map(|snapshot| &*snapshot.view));
    let effort = T::effort(size, plan.0.map(|given| given.is_some()));
    let all = T::effort(size, [false; KEYS_MAX]);
    let times: f64 = plan.0.iter().map(|given| if *given == Some(Given::Many) { IN_USUALLY } else { 1.0 }).product();
    let (looked_at, rows) = ((effort.looked_at * times).min(all.looked_at), (effort.rows * times).min(all.rows));
    // To begin a scan costs something also if nothing comes of it.
    info.set_estimated_cost(2.0 + looked_at + rows);
    #[expect(clippy::cast_possible_truncation, reason = "an estimate")]
    info.set_estimated_rows(rows.ceil() as i64);
    Ok(())
}

/// For each key, the constraint by which to look it up.
fn lookups<T: CatalogTable>(info: &IndexInfo) -> Result<[Option<(usize, Given)>; KEYS_MAX]> {
    let mut chosen = [None; KEYS_MAX];
    for (number, constraint) in info.constraints().enumerate() {
        let equal = constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
        let column = usize::try_from(constraint.column()).ok().and_then(|column| T::COLUMNS.get(column));
        let Some(column) = column.filter(|_| equal && constraint.is_usable()) else { continue };
        let Some(at) = T::KEYS.iter().take(KEYS_MAX).position(|key| *key == column.name) else { continue };
        if !info.collation(number)?.eq_ignore_ascii_case("BINARY") {
            continue;
        }
        // All values at once, and not one scan for each: then SQLite compares what `IN` says, with its affinities.
        let given = if info.is_in_constraint(number)? { Given::Many } else { Given::One };
        if chosen[at].is_none_or(|(_, present)| present == Given::Many && given == Given::One) {
            chosen[at] = Some((number, given));
        }
    }
    Ok(chosen)
}

/// What a cursor is to look up, given the number of the plan and its arguments.
pub(super) fn wanted(number: c_int, arguments: &Filters<'_>) -> Result<Wanted> {
    let (mut wanted, mut argument) = (Wanted::default(), 0);
    for (key, given) in wanted.0.iter_mut().zip(Plan::of(number).0) {
        let Some(given) = given else { continue };
        let mut texts = Some(Vec::new());
        match given {
            Given::One => {
                if let Some(value) = arguments.iter().nth(argument) {
                    take(&mut texts, value);
                }
            }
            Given::Many => {
                let mut values = arguments.in_values(argument)?;
                while let Some(value) = values.next()? {
                    take(&mut texts, value);
                }
            }
        }
        *key = texts.map(|mut texts: Vec<Box<str>>| {
            texts.sort_unstable();
            texts.dedup();
            texts
        });
        argument += 1;
    }
    Ok(wanted)
}

/// Adds a value to the texts that are looked for; one that is no text may equal any, by way of numbers.
fn take(texts: &mut Option<Vec<Box<str>>>, value: ValueRef<'_>) {
    match value {
        // Nothing equals it.
        ValueRef::Null => {}
        ValueRef::Text(text) => {
            // All that the catalog names is UTF-8.
            if let (Some(texts), Ok(text)) = (texts, str::from_utf8(text)) {
                texts.push(text.into());
            }
        }
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => *texts = None,
    }
}
