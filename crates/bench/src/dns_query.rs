//! The one question that is asked, and what a good answer looks like (RFC 1035 section 4.1).

use anyhow::{Context, Result, ensure};

/// Where the zone is that agents answer for.
const ZONE: &str = "whither";
/// Bytes of a header.
const HEADER_BYTES: usize = 12;
/// Addresses that each answer must have at least.
pub(crate) const ANSWERS: u16 = 3;

/// The name of a service.
pub(crate) fn name(namespace: &str, service: &str) -> String {
    format!("{service}.{namespace}.{ZONE}.")
}

/// A question for the A records of `name`; its first two bytes are the id.
pub(crate) fn question(name: &str) -> Result<Vec<u8>> {
    const RECURSION_DESIRED: u8 = 1;
    const TYPE_A_CLASS_IN: [u8; 4] = [0, 1, 0, 1];
    let mut out = vec![0, 0, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split_terminator('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length));
        out.push(length.with_context(|| format!("{label:?} is no DNS label"))?);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out.extend_from_slice(&TYPE_A_CLASS_IN);
    Ok(out)
}

/// Whether this is an answer, without an error, whole, with as many records as every service has.
pub(crate) fn check(answer: &[u8]) -> Result<()> {
    const RESPONSE: u8 = 0x80;
    const TRUNCATED: u8 = 0x02;
    ensure!(answer.len() >= HEADER_BYTES, "a DNS answer has only {} bytes", answer.len());
    ensure!(answer[2] & RESPONSE != 0 && answer[2] & TRUNCATED == 0, "a DNS answer is not one, or is truncated");
    let (code, answers) = (answer[3] & 0x0f, u16::from_be_bytes([answer[6], answer[7]]));
    ensure!(code == 0, "a DNS answer has the error code {code}");
    ensure!(answers >= ANSWERS, "a DNS answer has {answers} records; every service has {ANSWERS} instances");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check, name, question};

    #[test]
    fn a_question_has_its_labels_in_order() {
        let asked = question(&name("bench", "web")).unwrap();
        assert_eq!(&asked[..12], [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&asked[12..], b"\x03web\x05bench\x07whither\x00\x00\x01\x00\x01");
        assert!(question(&"x".repeat(64)).is_err() && question("a..b").is_err());
    }

    #[test]
    fn only_whole_answers_without_errors_are_good() {
        let good = [0, 7, 0x85, 0, 0, 1, 0, 3, 0, 0, 0, 0];
        assert!(check(&good).is_ok());
        let with = |at: usize, byte: u8| {
            let mut answer = good;
            answer[at] = byte;
            check(&answer).unwrap_err().to_string()
        };
        assert!(with(2, 0x05).contains("not one") && with(2, 0x87).contains("truncated"));
        assert_eq!(with(3, 3), "a DNS answer has the error code 3");
        assert!(with(7, 2).contains("2 records"));
        assert!(check(&good[..8]).is_err());
    }
}
