//! What SCRAM makes of a password (RFC 5802, RFC 7677): the salted password, which a client works out, and the two keys of it
//! that a broker keeps.

use sha2::digest::Digest;
use sha2::{Sha256, Sha512};

/// How often a password is hashed at least, whichever the mechanism.
pub const ITERATIONS_MIN: i32 = 4_096;

/// How often it is hashed at most, as in Kafka.
pub const ITERATIONS_MAX: i32 = 16_384;

/// How often it is hashed if nobody says, as in Kafka's tools.
pub const ITERATIONS_DEFAULT: i32 = 4_096;

/// A mechanism (`ScramMechanism`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mechanism {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

/// What is kept of a password: from neither key can the salted password be had back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `StoredKey`: tells whether a client knows the password.
    pub stored: Vec<u8>,
    /// `ServerKey`: shows to a client that the broker knows it too.
    pub server: Vec<u8>,
}

impl Mechanism {
    /// All of them, by number.
    pub const ALL: [Mechanism; 2] = [Mechanism::Sha256, Mechanism::Sha512];

    /// The mechanism of this number, as requests and records have it.
    pub fn of_number(number: i8) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.number() == number)
    }

    /// The mechanism of this name.
    pub fn of_name(name: &str) -> Option<Mechanism> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Its number.
    pub fn number(self) -> i8 {
        match self {
            Mechanism::Sha256 => 1,
            Mechanism::Sha512 => 2,
        }
    }

    /// Its name among SASL's mechanisms.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Sha256 => "SCRAM-SHA-256",
            Mechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// `SaltedPassword`. Like Kafka, without SASLprep: the password is its UTF-8 bytes.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        match self {
            Mechanism::Sha256 => salted::<Sha256>(password, salt, iterations),
            Mechanism::Sha512 => salted::<Sha512>(password, salt, iterations),
        }
    }

    /// The keys of a salted password.
    pub fn keys(self, salted_password: &[u8]) -> Keys {
        match self {
            Mechanism::Sha256 => keys::<Sha256>(salted_password),
            Mechanism::Sha512 => keys::<Sha512>(salted_password),
        }
    }
}

fn keys<H: Digest + Clone>(salted_password: &[u8]) -> Keys {
    let mac = Hmac::<H>::new(salted_password);
    Keys { stored: H::digest(mac.of(&[b"Client Key"])).to_vec(), server: mac.of(&[b"Server Key"]) }
}

/// `Hi` of RFC 5802, which is PBKDF2 of one block.
fn salted<H: Digest + Clone>(password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
    let mac = Hmac::<H>::new(password);
    let mut last = mac.of(&[salt, &1u32.to_be_bytes()]);
    let mut sum = last.clone();
    for _ in 1..iterations {
        last = mac.of(&[&last]);
        sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

/// HMAC of RFC 2104 with a key that has been taken in once.
struct Hmac<H> {
    inner: H,
    outer: H,
}

impl<H: Digest + Clone> Hmac<H> {
    fn new(key: &[u8]) -> Hmac<H> {
        // Blocks are 64 bytes, or 128 with hashes of more than 32.
        let block = if <H as Digest>::output_size() > 32 { 128 } else { 64 };
        let mut key = if key.len() > block { H::digest(key).to_vec() } else { key.to_vec() };
        key.resize(block, 0);
        let begun = |with: u8| H::new().chain_update(key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>());
        Hmac { inner: begun(0x36), outer: begun(0x5c) }
    }

    fn of(&self, message: &[&[u8]]) -> Vec<u8> {
        let mut inner = self.inner.clone();
        message.iter().for_each(|part| inner.update(part));
        self.outer.clone().chain_update(inner.finalize()).finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let (key, message): (&[u8], &[u8]) = (b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            hex(&Hmac::<Sha256>::new(key).of(&[message])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(
            hex(&Hmac::<Sha512>::new(key).of(&[message]))
                .starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554")
        );
        let long = [0xaa; 131];
        let text: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(&Hmac::<Sha256>::new(&long).of(&[text])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    /// The exchange that RFC 7677 shows for user `user` with password `pencil`.
    #[test]
    fn the_proofs_of_rfc_7677_follow_from_the_keys() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap_or_default();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        let salted = Mechanism::Sha256.salted_password(b"pencil", &salt, 4096);
        let keys = Mechanism::Sha256.keys(&salted);
        let signature = Hmac::<Sha256>::new(&keys.server).of(&[said.as_bytes()]);
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap_or_default();
        let signature = Hmac::<Sha256>::new(&keys.stored).of(&[said.as_bytes()]);
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(proof, byte)| proof ^ byte).collect();
        assert_eq!(Sha256::digest(client_key).to_vec(), keys.stored);
    }

    #[test]
    fn mechanisms_are_known_by_number_and_by_name() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::of_number(mechanism.number()), Some(mechanism));
            assert_eq!(Mechanism::of_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::of_number(0), None);
        assert_eq!(Mechanism::of_name("scram-sha-256"), None);
    }
}
