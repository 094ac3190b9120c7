-- Unsigned 64-bit numbers are kept as the signed number with the same bits.

-- node: this node's id. epoch: the last boot's number. syncs: see `commit.rs`.
CREATE TABLE meta (
    key   TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The encoded rows of all nodes. A NULL value is a tombstone.
CREATE TABLE rows (
    node  INTEGER NOT NULL,
    tbl   INTEGER NOT NULL,
    key   BLOB    NOT NULL,
    epoch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    value BLOB,
    PRIMARY KEY (node, tbl, key)
) STRICT, WITHOUT ROWID;

-- Which seqs of an origin have been seen; for the encoding of ranges see `ranges.rs`.
CREATE TABLE seen (
    node   INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    ranges BLOB    NOT NULL,
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;

-- The members of the last run. state: 0 alive, 1 suspect, 2 down, 3 left. known_until: milliseconds since 1970.
CREATE TABLE members (
    node        INTEGER NOT NULL PRIMARY KEY,
    address     TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    known_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
