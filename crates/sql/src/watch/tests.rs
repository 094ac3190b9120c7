//! What a watcher was told adds up to what the question would answer.

use super::*;
use crate::file;
use std::collections::BTreeMap;
use std::sync::Arc;
use whither_directory::sql::{Cells, ChangeKind, RowEvent};
use whither_directory::{Clock, Directory, Identity};
use whither_model::random::Random;
use whither_model::sql::Params;
use whither_model::{Epoch, NodeId, Origin, WallTime};
use whither_tables::Tables;

const SCHEMA: &str = "CREATE TABLE services (id TEXT PRIMARY KEY, app TEXT, port INTEGER, state TEXT);
CREATE TABLE routes (path TEXT, zone TEXT, app TEXT, PRIMARY KEY (path, zone));";

struct Rig {
    tables: Tables,
    watch: Watch,
    wall: u64,
    _dir: tempfile::TempDir,
}

/// A watcher that keeps what it was told.
struct Watcher {
    statement: Statement,
    events: mpsc::Receiver<RowEvent>,
    rows: BTreeMap<u64, Cells>,
    number: u64,
    anew: usize,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let me = Origin { node: NodeId::new(1).unwrap(), epoch: Epoch(1) };
        let path = dir.path().join(file::NAME);
        let mut tables = Tables::open(&path, me).unwrap();
        tables.begin().unwrap();
        tables.change_schema(WallTime(1), SCHEMA).unwrap();
        tables.commit().unwrap();
        let identity = Identity {
            node: me.node,
            epoch: me.epoch,
            name: "one".parse().unwrap(),
            advertise: "127.0.0.1:7600".parse().unwrap(),
            zone: Box::default(),
            region: Box::default(),
            software: "test".into(),
        };
        let (directory, _commands) = Directory::new(identity, Clock::manual());
        let watch = Watch::new(Arc::new(Readers::new(&path, directory))).unwrap();
        Self { tables, watch, wall: 1_000, _dir: dir }
    }

    /// Writes, and has it looked at.
    fn write(&mut self, statements: &[&str]) {
        self.tables.begin().unwrap();
        self.wall += 1;
        for sql in statements {
            // A key that is taken is refused, as it should be.
            drop(self.tables.transact(WallTime(self.wall), &[Statement::plain(*sql)]));
        }
        self.tables.commit().unwrap();
        self.look();
    }

    fn look(&mut self) {
        let mut touched = Rows::new();
        note_rows(&mut touched, self.tables.take_touched());
        let schema = self.tables.take_schema_changed();
        self.watch.look(&touched, schema, false, Vec::new()).unwrap();
    }

    /// Has everything that is due done now, rested or not.
    fn settle(&mut self) {
        while !self.watch.due.is_empty() || self.watch.behind {
            for question in self.watch.questions.values_mut() {
                question.due = question.due.map(|_| Instant::now());
            }
            self.watch.look(&Rows::new(), false, false, Vec::new()).unwrap();
        }
    }

    fn subscribe(&mut self, statement: Statement, from: Option<(u64, u64)>) -> Result<(u64, Watcher), SqlRefusal> {
        self.watch.reader.guard.trust(|| self.watch.reader.conn.execute_batch("BEGIN")).unwrap();
        let subscribed = self.watch.subscribe(Subscribe { statement: statement.clone(), from });
        self.watch.reader.guard.trust(|| self.watch.reader.conn.execute_batch("COMMIT")).unwrap();
        let Subscription { id, events, .. } = subscribed?;
        Ok((id, Watcher { statement, events, rows: BTreeMap::new(), number: 0, anew: 0 }))
    }

    fn watcher(&mut self, sql: &str) -> Watcher {
        let subscribed = self.subscribe(Statement::plain(sql), None);
        subscribed.unwrap_or_else(|refusal| panic!("{sql}: {refusal}")).1
    }

    fn plan(&self, sql: &str) -> Plan {
        self.watch.plan(&Statement::plain(sql)).unwrap_or_else(|refusal| panic!("{sql}: {refusal}")).1
    }
}

impl Watcher {
    fn listen(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                RowEvent::Rows { rows, number } => {
                    self.rows = rows.iter().cloned().collect();
                    self.number = number;
                    self.anew += 1;
                }
                RowEvent::Resumed { number } => self.number = number,
                RowEvent::Changes(changes) => {
                    for change in changes.iter() {
                        assert_eq!(change.number, self.number + 1, "{}: no change is left out", self.statement.sql);
                        self.number = change.number;
                        match change.kind {
                            ChangeKind::Delete => {
                                let gone = self.rows.remove(&change.row);
                                assert_eq!(gone.as_ref(), Some(&change.cells), "{}", self.statement.sql);
                            }
                            ChangeKind::Insert => assert!(self.rows.insert(change.row, change.cells.clone()).is_none()),
                            ChangeKind::Update => assert!(self.rows.insert(change.row, change.cells.clone()).is_some()),
                        }
                    }
                }
                RowEvent::Failed(refusal) => panic!("{}: {refusal}", self.statement.sql),
            }
        }
    }

    /// What it was told is what the question answers.
    fn check(&mut self, rig: &Rig) {
        self.listen();
        let mut expected: Vec<Vec<u8>> = all_rows(&rig.watch.reader, &self.statement)
            .unwrap()
            .iter()
            .map(|row| whither_tables::row_bytes(row))
            .collect();
        let mut told: Vec<Vec<u8>> = self.rows.values().map(|row| whither_tables::row_bytes(row)).collect();
        expected.sort();
        told.sort();
        assert_eq!(told, expected, "{}: {:?}", self.statement.sql, self.rows);
    }
}

/// What corresponds to each kind of question that others answer wrongly, and to each way of keeping one up to date.
const QUESTIONS: &[&str] = &[
    "SELECT id, port FROM services WHERE app = 'a1'",
    "SELECT * FROM services",
    "SELECT id FROM services WHERE app = 'a1' AND port > 10 ORDER BY port",
    "SELECT upper(id), coalesce(state, 'none') FROM services AS s WHERE s.app = 'a2' OR port = 5",
    "SELECT id, app IN ('a1', 'a2') FROM services WHERE NOT (state = 'x')",
    "SELECT 1 FROM services WHERE state IS NULL",
    "SELECT state FROM services WHERE app = 'a1'",
    "SELECT s.id, r.path FROM services AS s JOIN routes AS r ON r.app = s.app",
    "SELECT s.id, r.path FROM services AS s LEFT JOIN routes AS r ON r.app = s.app AND r.zone = 'z1'",
    "SELECT a.id, b.id FROM services AS a, services AS b WHERE a.port = b.port AND a.id < b.id",
    "SELECT id FROM services AS s WHERE EXISTS (SELECT 1 FROM routes WHERE app = s.app)",
    "SELECT id FROM services AS s WHERE NOT EXISTS (SELECT 1 FROM routes WHERE app = s.app)",
    "SELECT id FROM services WHERE app IN (SELECT app FROM routes WHERE zone = 'z1')",
    "SELECT id, (SELECT count(*) FROM routes AS r WHERE r.app = s.app) FROM services AS s",
    "SELECT DISTINCT app, state FROM services",
    "SELECT app, count(*), sum(port) FROM services GROUP BY app HAVING count(*) > 1",
    "SELECT count(*), max(port), total(port) FROM services",
    "SELECT id, port FROM services ORDER BY port DESC, id LIMIT 3",
    "SELECT id FROM services ORDER BY id LIMIT 2 OFFSET 1",
    "SELECT app FROM services UNION SELECT app FROM routes",
    "SELECT app FROM services UNION ALL SELECT app FROM routes",
    "SELECT app FROM services EXCEPT SELECT app FROM routes",
    "SELECT app FROM services INTERSECT SELECT app FROM routes",
    "WITH few AS (SELECT * FROM services WHERE port < 10) SELECT few.id, r.zone FROM few JOIN routes AS r USING (app)",
    "SELECT id, rank() OVER (PARTITION BY app ORDER BY port) FROM services",
    "SELECT path, group_concat(zone) FROM (SELECT * FROM routes ORDER BY zone) GROUP BY path",
    "SELECT s.id, e.value FROM services AS s, json_each('[1,2]') AS e WHERE s.port > e.value",
];

fn anything(random: &mut Random) -> String {
    let (id, app, port) = (random.below(8), random.below(4), random.below(20));
    match random.below(12) {
        0..4 => format!(
            "INSERT INTO services VALUES ('s{id}', 'a{app}', {port}, NULL) \
             ON CONFLICT DO UPDATE SET app = excluded.app, port = excluded.port"
        ),
        4 => format!("INSERT OR REPLACE INTO services VALUES ('s{id}', NULL, {port}.5, 'y')"),
        5..7 => format!("UPDATE services SET state = CASE {port} % 3 WHEN 0 THEN NULL ELSE 'x' END WHERE id = 's{id}'"),
        7 => format!("DELETE FROM services WHERE id = 's{id}'"),
        8 => format!("UPDATE services SET app = 'a{app}' WHERE port > {port}"),
        9..11 => format!("INSERT OR REPLACE INTO routes VALUES ('/{id}', 'z{}', 'a{app}')", port % 3),
        _ => format!("DELETE FROM routes WHERE app = 'a{app}'"),
    }
}

#[test]
fn whatever_is_written_each_watcher_knows_what_its_question_answers() {
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let mut rig = Rig::new();
        let mut watchers: Vec<Watcher> = QUESTIONS.iter().map(|sql| rig.watcher(sql)).collect();
        for round in 0..60 {
            let statements: Vec<String> = (0..1 + random.below(4)).map(|_| anything(&mut random)).collect();
            rig.write(&statements.iter().map(String::as_str).collect::<Vec<_>>());
            rig.settle();
            watchers.iter_mut().for_each(|watcher| watcher.check(&rig));
            if round % 20 == 10 {
                // Some come later, and are told what there is.
                let sql = QUESTIONS[random.below(QUESTIONS.len())];
                let late = rig.watcher(sql);
                watchers.push(late);
            }
        }
        assert!(watchers.iter().all(|watcher| watcher.anew == 1), "all of it was told as changes");
    }
}

#[test]
fn questions_that_look_at_rows_one_by_one_are_known_and_others_are_asked_again() {
    let rig = Rig::new();
    let rows = |filter| Plan::Rows { table: "services".into(), filter };
    let text = |text: &str| Some((1, Value::Text(text.into())));
    for (sql, filter) in [
        ("SELECT id, port FROM services WHERE app = 'a1'", text("a1")),
        ("SELECT id FROM services AS s WHERE s.port > 3 AND s.\"app\" == 'a1' ORDER BY id", text("a1")),
        ("SELECT id FROM services WHERE port = 8080", Some((2, Value::Integer(8080)))),
        ("SELECT id FROM services WHERE port = '8080'", None),
        ("SELECT id FROM services WHERE app = 'a' || 'b'", None),
        ("SELECT id FROM services WHERE app = 'a' COLLATE NOCASE", None),
        ("SELECT id FROM services WHERE app = 'a' OR port = 1", None),
        ("SELECT id FROM services WHERE NOT app = 'a'", None),
        ("SELECT id FROM services WHERE port BETWEEN 1 AND app = 'a'", None),
        ("SELECT id, lower(app) FROM services", None),
    ] {
        assert_eq!(rig.plan(sql), rows(filter), "{sql}");
    }
    for sql in &QUESTIONS[7..] {
        assert!(matches!(rig.plan(sql), Plan::Again { .. }), "{sql}");
    }
    for sql in [
        "SELECT rowid, id FROM services",
        "SELECT max(port) FROM services",
        "SELECT id, random() FROM services",
        "SELECT id FROM services WHERE app IN routes",
        "SELECT id, datetime('now') FROM services",
        "SELECT count(*) FROM services",
        "SELECT app FROM routes INDEXED BY sqlite_autoindex_routes_1 WHERE path = 'x'",
    ] {
        if let Ok((_, plan)) = rig.watch.plan(&Statement::plain(sql)) {
            assert!(matches!(plan, Plan::Again { .. }), "{sql}: {plan:?}");
        }
    }
    assert!(matches!(rig.plan("SELECT 1 FROM whither_nodes"), Plan::Again { catalog: true, .. }));
}

#[test]
fn parameters_filter_too() {
    let mut rig = Rig::new();
    let statement = Statement {
        sql: "SELECT id FROM services WHERE port < ? AND app = ?".into(),
        params: Params::Positional(vec![Value::Integer(100), Value::Text("a1".into())]),
    };
    let plan = rig.watch.plan(&statement).unwrap().1;
    assert_eq!(plan, Plan::Rows { table: "services".into(), filter: Some((1, Value::Text("a1".into()))) });
    let (_, mut watcher) = rig.subscribe(statement, None).unwrap();
    rig.write(&["INSERT INTO services VALUES ('x', 'a1', 1, NULL), ('y', 'a1', 100, NULL), ('z', 'a2', 1, NULL)"]);
    watcher.check(&rig);
    assert_eq!(watcher.rows.len(), 1);
}

#[test]
fn equal_questions_are_one_and_whoever_comes_back_goes_on_where_it_was() {
    let mut rig = Rig::new();
    let statement = Statement::plain("SELECT id FROM services WHERE app = 'a1'");
    let (id, mut one) = rig.subscribe(statement.clone(), None).unwrap();
    let (same, _other) = rig.subscribe(statement.clone(), None).unwrap();
    assert_eq!((id, rig.watch.questions.len()), (same, 1));
    rig.write(&["INSERT INTO services VALUES ('x', 'a1', 1, NULL)"]);
    one.check(&rig);
    let seen = one.number;
    drop(one);
    rig.write(&["INSERT INTO services VALUES ('y', 'a1', 1, NULL)"]);
    let (_, mut back) = rig.subscribe(statement.clone(), Some((id, seen))).unwrap();
    back.listen();
    assert_eq!((back.rows.len(), back.number, back.anew), (1, seen + 1, 0), "only what it has missed");
    for unknown in [(id, seen + 9), (id + 1, seen)] {
        let (_, mut anew) = rig.subscribe(statement.clone(), Some(unknown)).unwrap();
        anew.listen();
        assert_eq!((anew.rows.len(), anew.anew), (2, 1), "all of it");
    }
}

#[test]
fn whoever_is_too_slow_is_told_everything_anew_and_not_less() {
    let mut rig = Rig::new();
    let mut slow = rig.watcher("SELECT id, port FROM services WHERE app = 'a1'");
    slow.listen();
    for port in 0..question::LOTS_MAX * 3 {
        rig.write(&[&format!("INSERT OR REPLACE INTO services VALUES ('x', 'a1', {port}, NULL)")]);
    }
    slow.listen();
    rig.settle();
    slow.check(&rig);
    assert_eq!(slow.anew, 2);
    rig.write(&["DELETE FROM services"]);
    slow.check(&rig);
}

#[test]
fn a_change_of_the_schema_reaches_those_who_watch() {
    let mut rig = Rig::new();
    let mut kept = rig.watcher("SELECT id, port FROM services WHERE app = 'a1'");
    let mut star = rig.watcher("SELECT * FROM services");
    rig.write(&["INSERT INTO services VALUES ('x', 'a1', 1, NULL)"]);
    kept.check(&rig);
    star.check(&rig);
    rig.tables.begin().unwrap();
    rig.tables
        .change_schema(WallTime(rig.wall + 1), "ALTER TABLE services ADD COLUMN note TEXT; DROP TABLE routes")
        .unwrap();
    rig.tables.commit().unwrap();
    rig.wall += 2;
    rig.look();
    rig.write(&["UPDATE services SET port = 2, note = 'n'"]);
    kept.check(&rig);
    assert_eq!(kept.anew, 1);
    let mut last = None;
    while let Ok(event) = star.events.try_recv() {
        last = Some(event);
    }
    assert!(matches!(last, Some(RowEvent::Failed(_))), "its answer has another column now: {last:?}");
    assert!(rig.subscribe(Statement::plain("SELECT * FROM routes"), None).is_err());
}

#[test]
fn those_who_watch_a_table_hear_of_keys() {
    let mut rig = Rig::new();
    let mut written = rig.watch.watch_table("Routes").unwrap();
    rig.write(&[
        "INSERT INTO routes VALUES ('/a', 'z', 'a1'), ('/b', 'z', 'a1')",
        "INSERT INTO services (id) VALUES ('x')",
    ]);
    rig.write(&["DELETE FROM routes WHERE path = '/a'"]);
    let text = |text: &str| Value::Text(text.into());
    let row = |path, exists| Written { key: vec![text(path), text("z")], exists };
    assert_eq!(written.try_recv().unwrap(), [row("/a", true), row("/b", true)]);
    assert_eq!(written.try_recv().unwrap(), [row("/a", false)]);
    assert!(matches!(rig.watch.watch_table("nope"), Err(SqlRefusal::Unknown(_))));
}

/// A row that one question cannot look at once made all others miss what was written with it.
#[test]
fn a_row_that_one_question_cannot_look_at_is_seen_by_all_others() {
    let mut rig = Rig::new();
    let (_, mut odd) =
        rig.subscribe(Statement::plain("SELECT json_extract(state, '$.x') FROM services"), None).unwrap();
    let mut sound = rig.watcher("SELECT id, state FROM services WHERE app = 'a1'");
    rig.write(&["INSERT INTO services VALUES ('x', 'a1', 1, 'not json'), ('y', 'a1', 2, '{}')"]);
    sound.check(&rig);
    assert_eq!((sound.rows.len(), sound.anew), (2, 1));
    let mut last = None;
    while let Ok(event) = odd.events.try_recv() {
        last = Some(event);
    }
    assert!(matches!(last, Some(RowEvent::Failed(_))), "{last:?}");
}
