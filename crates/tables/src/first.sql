-- What users' tables carry beside them. Everything that begins with _whither_ is the agent's own.

-- Who has written, and what has been seen of it.
CREATE TABLE _whither_origins (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    ranges BLOB NOT NULL DEFAULT x'',
    -- Up to which of its transactions tombstones have been dropped.
    collected INTEGER NOT NULL DEFAULT 0,
    -- The hybrid clock of this node when that was last written.
    clock INTEGER NOT NULL DEFAULT 0,
    UNIQUE (node, epoch)
);

-- Tables and columns by their id names: with a place here, hidden, dropped, or only heard of.
CREATE TABLE _whither_tables (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    shown TEXT NOT NULL,
    strict INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL
);
CREATE TABLE _whither_columns (
    id INTEGER PRIMARY KEY,
    tbl INTEGER NOT NULL,
    name TEXT NOT NULL,
    shown TEXT NOT NULL,
    type TEXT NOT NULL DEFAULT '',
    required INTEGER NOT NULL DEFAULT 0,
    fallback TEXT,
    key INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    UNIQUE (tbl, name)
);

-- Who wrote each row (col 0), and each cell that was written later than its row.
CREATE TABLE _whither_clock (
    tbl INTEGER NOT NULL,
    row INTEGER NOT NULL,
    col INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tbl, row, col)
) WITHOUT ROWID;
CREATE INDEX _whither_clock_seq ON _whither_clock (origin, seq);

-- What has no place in a table: tombstones (col 0, value 0), and what is said of rows, columns and tables that are not there.
CREATE TABLE _whither_held (
    tbl INTEGER NOT NULL,
    key BLOB NOT NULL,
    col INTEGER NOT NULL,
    stamp INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    value,
    PRIMARY KEY (tbl, key, col)
) WITHOUT ROWID;
CREATE INDEX _whither_held_seq ON _whither_held (origin, seq);

-- What all tables are, on all nodes. Replicated like any other table.
CREATE TABLE _whither_schema (
    kind TEXT NOT NULL,
    tbl TEXT NOT NULL,
    name TEXT NOT NULL,
    shown TEXT NOT NULL DEFAULT '',
    type TEXT NOT NULL DEFAULT '',
    required INT NOT NULL DEFAULT 0,
    fallback TEXT,
    key INT NOT NULL DEFAULT 0,
    place INT NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'live',
    PRIMARY KEY (kind, tbl, name)
);
INSERT INTO _whither_tables (id, name, shown, state) VALUES (1, '_whither_schema', '_whither_schema', 'live');
INSERT INTO _whither_columns (tbl, name, shown, type, required, fallback, key, state) VALUES
    (1, 'kind', 'kind', 'TEXT', 1, NULL, 1, 'live'),
    (1, 'tbl', 'tbl', 'TEXT', 1, NULL, 2, 'live'),
    (1, 'name', 'name', 'TEXT', 1, NULL, 3, 'live'),
    (1, 'shown', 'shown', 'TEXT', 1, '''''', 0, 'live'),
    (1, 'type', 'type', 'TEXT', 1, '''''', 0, 'live'),
    (1, 'required', 'required', 'INT', 1, '0', 0, 'live'),
    (1, 'fallback', 'fallback', 'TEXT', 0, NULL, 0, 'live'),
    (1, 'key', 'key', 'INT', 1, '0', 0, 'live'),
    (1, 'place', 'place', 'INT', 1, '0', 0, 'live'),
    (1, 'state', 'state', 'TEXT', 1, '''live''', 0, 'live');
