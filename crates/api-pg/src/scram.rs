//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side of it: a client proves that it knows a password, and the server that it
//! knows it too, and neither sends it. With `-PLUS`, the proof is worth nothing over another connection (RFC 5929 section 4).

use crate::limits::SCRAM_ITERATIONS;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// The mechanism that every client has.
pub(crate) const PLAIN: &str = "SCRAM-SHA-256";
/// The mechanism that is bound to the connection.
pub(crate) const PLUS: &str = "SCRAM-SHA-256-PLUS";
/// To what it is bound: the hash of the server's certificate.
const BINDING: &str = "tls-server-end-point";

const ITERATIONS: NonZeroU32 = NonZeroU32::new(SCRAM_ITERATIONS).expect("it is not zero");
const NONCE_BYTES: usize = 18;
const HASH_BYTES: usize = 32;

/// What is kept of a password. It does not let anybody in by itself.
#[derive(Clone)]
pub(crate) struct Verifier {
    salt: [u8; 16],
    /// The hash of the client's key.
    stored: [u8; HASH_BYTES],
    /// The server's key.
    server: [u8; HASH_BYTES],
}

/// Random bytes.
pub(crate) fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes).expect("the system's random source works");
    bytes
}

impl Verifier {
    /// Of a password.
    pub(crate) fn of(password: &str) -> Self {
        Self::salted(password, random())
    }

    fn salted(password: &str, salt: [u8; 16]) -> Self {
        // As PostgreSQL does it: what cannot be prepared is taken as it is.
        let prepared = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
        let mut key = [0; HASH_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, prepared.as_bytes(), &mut key);
        Self { salt, stored: hash(&mac(&key, b"Client Key")), server: mac(&key, b"Server Key") }
    }

    /// Of a name that nobody has: no password fits it, and it looks like that of somebody. `secret` makes it the same every time.
    pub(crate) fn of_nobody(secret: &[u8; HASH_BYTES], name: &str) -> Self {
        let mut salt = [0; 16];
        salt.copy_from_slice(&mac(secret, name.as_bytes())[..16]);
        Self { salt, stored: random(), server: random() }
    }
}

/// An exchange that has begun: the server waits for the proof.
pub(crate) struct Waiting {
    verifier: Verifier,
    /// What binds it, as the client has to repeat it.
    header: Vec<u8>,
    nonce: String,
    /// The client's first message without its header, and the server's, as they were sent.
    said: String,
}

/// Begins an exchange with the client's first message. `binding` is the hash of the certificate, if the connection has one that
/// can be bound to; `plus`: the client has chosen to bind. Returns the server's first message, too.
///
/// # Errors
/// What is wrong with the message.
pub(crate) fn begin(
    first: &[u8],
    verifier: Verifier,
    binding: Option<&[u8]>,
    plus: bool,
) -> Result<(String, Waiting), &'static str> {
    let first = std::str::from_utf8(first).map_err(|_| "it is no UTF-8")?;
    let mut parts = first.splitn(3, ',');
    let (Some(flag), Some(""), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("its header is none, or it wants to be somebody else");
    };
    let mut header = format!("{flag},,").into_bytes();
    match (flag.strip_prefix("p="), binding) {
        (Some(BINDING), Some(binding)) if plus => header.extend_from_slice(binding),
        (Some(_), _) => return Err("it is bound to something that is not there"),
        (None, _) if plus => return Err("it was to be bound, and is not"),
        (None, Some(_)) if flag == "y" => return Err("somebody has hidden that it can be bound"),
        (None, _) if matches!(flag, "n" | "y") => {}
        (None, _) => return Err("its header is none"),
    }
    // The name is that of the startup, as in PostgreSQL; extensions that have to be understood are not.
    let nonce = bare.split(',').nth(1).and_then(|part| part.strip_prefix("r="));
    let nonce = nonce.filter(|nonce| bare.starts_with("n=") && !nonce.is_empty()).ok_or("it has no nonce")?;
    let nonce = format!("{nonce}{}", BASE64.encode(random::<NONCE_BYTES>()));
    let challenge = format!("r={nonce},s={},i={SCRAM_ITERATIONS}", BASE64.encode(verifier.salt));
    let said = format!("{bare},{challenge}");
    Ok((challenge, Waiting { verifier, header, nonce, said }))
}

/// Why a proof was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    /// It is none.
    Garbled(&'static str),
    /// The password is another.
    Password,
}

impl Waiting {
    /// Judges the proof. Returns the server's last message, its own proof.
    ///
    /// # Errors
    /// [`Bad`].
    pub(crate) fn finish(&self, last: &[u8]) -> Result<String, Bad> {
        let last = std::str::from_utf8(last).map_err(|_| Bad::Garbled("it is no UTF-8"))?;
        let (said, proof) = last.rsplit_once(",p=").ok_or(Bad::Garbled("it has no proof"))?;
        let mut parts = said.split(',');
        let header = parts.next().and_then(|part| part.strip_prefix("c="));
        let nonce = parts.next().and_then(|part| part.strip_prefix("r="));
        if header.and_then(|header| BASE64.decode(header).ok()).as_ref() != Some(&self.header) {
            return Err(Bad::Garbled("it belongs to another connection"));
        }
        if nonce != Some(self.nonce.as_str()) {
            return Err(Bad::Garbled("it belongs to another exchange"));
        }
        let proof = BASE64.decode(proof).ok().and_then(|proof| <[u8; HASH_BYTES]>::try_from(proof).ok());
        let mut key = proof.ok_or(Bad::Garbled("its proof is none"))?;
        let said = format!("{},{said}", self.said);
        let signature = mac(&self.verifier.stored, said.as_bytes());
        key.iter_mut().zip(signature).for_each(|(byte, signed)| *byte ^= signed);
        let differs = hash(&key).iter().zip(self.verifier.stored).fold(0, |differs, (a, b)| differs | (a ^ b));
        if differs != 0 {
            return Err(Bad::Password);
        }
        Ok(format!("v={}", BASE64.encode(mac(&self.verifier.server, said.as_bytes()))))
    }
}

fn mac(key: &[u8], said: &[u8]) -> [u8; HASH_BYTES] {
    let mut tag = [0; HASH_BYTES];
    tag.copy_from_slice(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), said).as_ref());
    tag
}

fn hash(said: &[u8]) -> [u8; HASH_BYTES] {
    let mut found = [0; HASH_BYTES];
    found.copy_from_slice(digest::digest(&digest::SHA256, said).as_ref());
    found
}

/// The hash of a certificate that an exchange can be bound to: by the function that it is signed with, and SHA-256 instead of older
/// ones. `None`: it is signed in a way of which RFC 5929 says nothing.
pub(crate) fn binding_of(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    // A certificate is a sequence of what is signed, how, and the signature (RFC 5280 section 4.1).
    let (outer, _) = element(certificate, 0x30)?;
    let (_, after_signed) = element(outer, 0x30)?;
    let (how, _) = element(after_signed, 0x30)?;
    let (oid, _) = element(how, 0x06)?;
    let (last, kind) = oid.split_last()?;
    let function = match (kind, last) {
        (RSA, 4 | 5 | 11) | (ECDSA, 2) => &digest::SHA256,
        (RSA, 12) | (ECDSA, 3) => &digest::SHA384,
        (RSA, 13) | (ECDSA, 4) => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(function, certificate).as_ref().to_vec())
}

/// The content of a DER element of this type, and what follows it.
fn element(der: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    rest.split_at_checked(length).filter(|_| found == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's side, as RFC 5802 has it.
    fn prove(password: &str, header: &[u8], bare: &str, challenge: &str) -> (String, String) {
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        let salt: [u8; 16] = BASE64.decode(field("s=")).unwrap().try_into().unwrap();
        let mut key = [0; HASH_BYTES];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, password.as_bytes(), &mut key);
        let said = format!("c={},r={}", BASE64.encode(header), field("r="));
        let all = format!("{bare},{challenge},{said}");
        let client = mac(&key, b"Client Key");
        let signature = mac(&hash(&client), all.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let expected = format!("v={}", BASE64.encode(mac(&mac(&key, b"Server Key"), all.as_bytes())));
        (format!("{said},p={}", BASE64.encode(proof)), expected)
    }

    #[test]
    fn the_example_of_the_standard_is_reproduced() {
        // RFC 7677 section 3.
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let waiting = Waiting {
            verifier: Verifier::salted("pencil", salt),
            header: b"n,,".to_vec(),
            nonce: nonce.into(),
            said: format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(waiting.finish(last.as_bytes()).unwrap(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn only_the_password_fits() {
        let verifier = Verifier::of("pa$$wörd");
        let bare = "n=,r=abc";
        let (challenge, waiting) = begin(b"n,,n=,r=abc", verifier, None, false).unwrap();
        let (proof, expected) = prove("pa$$wörd", b"n,,", bare, &challenge);
        assert_eq!(waiting.finish(proof.as_bytes()).unwrap(), expected);
        let (proof, _) = prove("other", b"n,,", bare, &challenge);
        assert_eq!(waiting.finish(proof.as_bytes()), Err(Bad::Password));
        let (proof, _) = prove("pa$$wörd", b"y,,", bare, &challenge);
        assert!(matches!(waiting.finish(proof.as_bytes()), Err(Bad::Garbled(_))));
        let nobody = Verifier::of_nobody(&[7; 32], "x");
        assert_eq!(nobody.salt, Verifier::of_nobody(&[7; 32], "x").salt);
        let (challenge, waiting) = begin(b"n,,n=,r=abc", nobody, None, false).unwrap();
        let (proof, _) = prove("pa$$wörd", b"n,,", bare, &challenge);
        assert_eq!(waiting.finish(proof.as_bytes()), Err(Bad::Password));
    }

    #[test]
    fn what_is_bound_is_bound_to_this_connection() {
        let (verifier, certificate) = (Verifier::of("p"), [1, 2, 3].as_slice());
        let first = b"p=tls-server-end-point,,n=,r=abc";
        let (challenge, waiting) = begin(first, verifier.clone(), Some(certificate), true).unwrap();
        let header = [b"p=tls-server-end-point,,".as_slice(), certificate].concat();
        let (proof, expected) = prove("p", &header, "n=,r=abc", &challenge);
        assert_eq!(waiting.finish(proof.as_bytes()).unwrap(), expected);
        let (proof, _) = prove("p", b"p=tls-server-end-point,,\x01\x02\x04", "n=,r=abc", &challenge);
        assert!(matches!(waiting.finish(proof.as_bytes()), Err(Bad::Garbled(_))));
        for (first, binding, plus) in [
            ("p=tls-unique,,n=,r=a", Some(certificate), true),
            ("p=tls-server-end-point,,n=,r=a", None, false),
            ("n,,n=,r=a", Some(certificate), true),
            ("y,,n=,r=a", Some(certificate), false),
            ("n,a=other,n=,r=a", None, false),
            ("x,,n=,r=a", None, false),
            ("n,,m=x,n=,r=a", None, false),
            ("n,,n=", None, false),
            ("", None, false),
        ] {
            assert!(begin(first.as_bytes(), verifier.clone(), binding, plus).is_err(), "{first}");
        }
        begin(b"y,,n=,r=a", verifier, None, false).unwrap();
    }

    #[test]
    fn a_certificate_has_a_hash_to_be_bound_to() {
        let made = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
        let der = made.cert.der();
        assert_eq!(binding_of(der).unwrap(), hash(der));
        for wrong in [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x02, 0x30, 0x00]] {
            assert_eq!(binding_of(wrong), None);
        }
    }
}
