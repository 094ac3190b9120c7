//! The one secret of a cluster, its file, and everything that is derived from it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{SecretError, SecretFormatError};

const PREFIX: &str = "whither-secret-1:";
const SECRET_BYTES: usize = 32;
/// A right file is 82 bytes. More than this is another kind of file, and is not read to its end.
const FILE_BYTES_MAX: u64 = 4096;

/// What makes a node a member: whoever holds it can speak as any node of the cluster.
///
/// There is no `Display`, and `Debug` shows the [fingerprint](Self::fingerprint) only, so that a secret does not reach a
/// log by accident.
#[derive(Clone)]
pub struct ClusterSecret {
    bytes: [u8; SECRET_BYTES],
}

impl ClusterSecret {
    /// Draws a new secret from the system's random source.
    ///
    /// # Panics
    ///
    /// If the system has no randomness to give, which Linux does not do to a running process.
    pub fn generate() -> Self {
        let mut bytes = [0; SECRET_BYTES];
        SystemRandom::new().fill(&mut bytes).expect("the system's random source works");
        Self { bytes }
    }

    /// Parses the line a secret's file holds; white space around it does not matter.
    ///
    /// # Errors
    ///
    /// Says what is wrong without repeating the text.
    pub fn parse(text: &str) -> Result<Self, SecretFormatError> {
        let line = text.trim();
        if line.is_empty() {
            return Err(SecretFormatError::Empty);
        }
        let digits = line.strip_prefix(PREFIX).ok_or(SecretFormatError::WrongPrefix)?.as_bytes();
        if digits.len() != 2 * SECRET_BYTES {
            return Err(SecretFormatError::Malformed);
        }
        let mut bytes = [0; SECRET_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Self { bytes })
    }

    /// The line that [`parse`](Self::parse) reads, secret and all. For a file or a terminal, never for a log.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", hex(&self.bytes))
    }

    /// Reads a secret from its file. The file's permissions are not judged here; see
    /// [`permission_warning`](Self::permission_warning).
    ///
    /// # Errors
    ///
    /// [`SecretError::Missing`], [`SecretError::Unreadable`] or [`SecretError::Invalid`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SecretError::Missing { path: path.to_owned() },
            _ => SecretError::Unreadable { path: path.to_owned(), source },
        };
        let invalid = |problem| SecretError::Invalid { path: path.to_owned(), problem };
        let mut content = Vec::new();
        File::open(path).map_err(unreadable)?.take(FILE_BYTES_MAX).read_to_end(&mut content).map_err(unreadable)?;
        let text = std::str::from_utf8(&content).map_err(|_| invalid(SecretFormatError::WrongPrefix))?;
        Self::parse(text).map_err(invalid)
    }

    /// Writes the secret to a new file that only its owner can read, and makes it durable.
    ///
    /// # Errors
    ///
    /// [`SecretError::Exists`] leaves the present file alone; [`SecretError::Unwritable`].
    pub fn write_new(&self, path: impl AsRef<Path>) -> Result<(), SecretError> {
        let path = path.as_ref();
        let unwritable = |source| SecretError::Unwritable { path: path.to_owned(), source };
        let mut file = create_private(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => SecretError::Exists { path: path.to_owned() },
            _ => unwritable(source),
        })?;
        let written = writeln!(file, "{}", self.reveal()).and_then(|()| file.sync_all());
        written.map_err(|source| {
            // Half a secret would be refused at the next boot, and block the next attempt to write one.
            let _ = fs::remove_file(path);
            unwritable(source)
        })
    }

    /// A sentence for the log if others than the owner can read the file at `path`; none if all is well or the file
    /// cannot be looked at.
    pub fn permission_warning(path: impl AsRef<Path>) -> Option<String> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = path.as_ref();
            let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
            (mode & 0o077 != 0).then(|| {
                let path = path.display();
                format!(
                    "the cluster secret {path} is open to others than its owner (mode {mode:03o}): chmod 600 {path}"
                )
            })
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            None
        }
    }

    /// 16 hex digits that two nodes may compare, in the open, to learn whether they hold the same secret.
    pub fn fingerprint(&self) -> String {
        hex(&self.derive("fingerprint", &[])[..8])
    }

    /// A key for one purpose: nothing can be learnt about the secret, or about another purpose's key, from it.
    pub(crate) fn derive(&self, purpose: &str, context: &[u8]) -> [u8; 32] {
        let master = Salt::new(HKDF_SHA256, b"whither cluster secret v1").extract(&self.bytes);
        expand(&master, &[purpose.as_bytes(), &[0], context])
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClusterSecret(fingerprint {})", self.fingerprint())
    }
}

/// HKDF's second half, for keys of 32 bytes.
pub(crate) fn expand(master: &Prk, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    let expanded = master.expand(info, HKDF_SHA256).and_then(|output| output.fill(&mut key));
    expanded.expect("32 bytes are within HKDF's reach");
    key
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex_digit(digit: u8) -> Result<u8, SecretFormatError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(SecretFormatError::Malformed),
    }
}
