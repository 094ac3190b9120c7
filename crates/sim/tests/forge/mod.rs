//! Packets that no honest node would send, built by hand from `docs/wire.md` (protobuf encoding).

/// Statement states.
pub(crate) const ALIVE: u64 = 0;
pub(crate) const SUSPECT: u64 = 1;

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn number(out: &mut Vec<u8>, tag: u64, value: u64) {
    varint(out, tag << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, tag: u64, value: &[u8]) {
    varint(out, tag << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A statement about `node`.
pub(crate) fn statement(node: u64, epoch: u64, incarnation: u64, state: u64, ip: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, 1 << 3 | 1);
    out.extend_from_slice(&node.to_le_bytes());
    number(&mut out, 2, epoch);
    number(&mut out, 3, incarnation);
    number(&mut out, 4, state);
    bytes(&mut out, 5, &ip);
    number(&mut out, 6, 7_600);
    out
}

/// The same statement, of a given run.
pub(crate) fn of_run(mut statement: Vec<u8>, run: u64) -> Vec<u8> {
    varint(&mut statement, 7 << 3 | 1);
    statement.extend_from_slice(&run.to_le_bytes());
    statement
}

/// A packet from `from` that says `statements`.
pub(crate) fn packet(from: &[u8], statements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, from);
    statements.iter().for_each(|statement| bytes(&mut out, 5, statement));
    out
}
