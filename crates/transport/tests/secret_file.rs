//! The secret's file: what is accepted, what is refused, and in which words.

use std::fs;
use std::path::PathBuf;

use whither_transport::{ClusterSecret, SecretError, SecretFormatError};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("cluster.secret")
    }

    fn holding(content: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        fs::write(place.path(), content).expect("written");
        place
    }

    fn problem(&self) -> (SecretFormatError, String) {
        match ClusterSecret::read(self.path()) {
            Err(error @ SecretError::Invalid { problem, .. }) => (problem, error.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_written_is_read_back_and_private() {
    let place = Place::new();
    let secret = ClusterSecret::generate();
    secret.write_new(place.path()).expect("written");
    let read = ClusterSecret::read(place.path()).expect("read");
    assert_eq!(read.reveal(), secret.reveal());
    assert_eq!(read.fingerprint(), secret.fingerprint());
    assert_eq!(ClusterSecret::permission_warning(place.path()), None);
    assert_ne!(secret.fingerprint(), ClusterSecret::generate().fingerprint());
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let place = Place::holding("precious");
    let refused = ClusterSecret::generate().write_new(place.path());
    assert!(matches!(refused, Err(SecretError::Exists { .. })));
    assert_eq!(fs::read(place.path()).expect("still there"), b"precious");
    let nowhere = ClusterSecret::generate().write_new(place.path().join("below a file"));
    assert!(matches!(nowhere, Err(SecretError::Unwritable { .. })));
}

#[test]
fn each_mistake_has_its_own_answer() {
    let missing = ClusterSecret::read(Place::new().path()).expect_err("nothing there");
    assert!(matches!(missing, SecretError::Missing { .. }));
    assert!(missing.to_string().contains("whither ca init"), "{missing}");
    let directory = ClusterSecret::read(Place::new().directory.path()).expect_err("a directory");
    assert!(matches!(directory, SecretError::Unreadable { .. } | SecretError::Missing { .. }));

    let digits = "0123456789abcdef".repeat(4);
    let line = |rest: &str| format!("whither-secret-1:{rest}");
    for empty in ["", "\n", " \t\r\n"] {
        assert_eq!(Place::holding(empty).problem().0, SecretFormatError::Empty);
    }
    let other_kinds = ["-----BEGIN CERTIFICATE-----", "whither-secret-2:00", &digits, "WHITHER-SECRET-1:"];
    for wrong in other_kinds.iter().map(|text| text.as_bytes()).chain([&[0xff, 0xfe, 0x00][..], &[b'x'; 100_000]]) {
        assert_eq!(Place::holding(wrong).problem().0, SecretFormatError::WrongPrefix);
    }
    let malformed =
        ["", &digits[1..], &format!("{digits}0"), &format!("{}g", &digits[1..]), &format!("{digits}\n{digits}")];
    for rest in malformed {
        let (problem, text) = Place::holding(line(rest)).problem();
        assert_eq!(problem, SecretFormatError::Malformed, "{rest:?}");
        assert!(text.contains("64 hex digits") && text.contains("whither ca init"), "{text}");
        assert!(!text.contains(&digits[1..20]), "an error repeats the secret: {text}");
    }
    for right in [line(&digits), format!("  {}\r\n\n", line(&digits)), line(&digits.to_uppercase())] {
        let secret = ClusterSecret::read(Place::holding(right).path()).expect("a right file");
        assert_eq!(secret.reveal(), line(&digits));
    }
}

#[test]
fn debug_does_not_tell() {
    let secret = ClusterSecret::generate();
    let text = secret.reveal();
    let digits = text.strip_prefix("whither-secret-1:").expect("the prefix");
    let config = whither_transport::Config::new(([127, 0, 0, 1], 0).into(), secret.clone(), 1, 1);
    let shown = format!("{secret:?} {config:#?}");
    assert!(!shown.contains(&digits[..8]), "{shown}");
}

#[test]
#[cfg(unix)]
fn open_permissions_are_accepted_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::holding(ClusterSecret::generate().reveal());
    for (mode, warned) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).expect("changed");
        assert_eq!(ClusterSecret::permission_warning(place.path()).is_some(), warned, "{mode:o}");
        ClusterSecret::read(place.path()).expect("still accepted");
    }
    assert_eq!(ClusterSecret::permission_warning("/nowhere/at/all"), None);
}
