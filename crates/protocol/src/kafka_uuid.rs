//! Kafka writes a UUID as 22 characters of url-safe base64: topic ids, directory ids and the cluster id look like that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Kafka's text form of a UUID.
pub trait KafkaUuid: Sized {
    /// The 22 characters.
    fn to_kafka(&self) -> String;
    /// A new one. It never begins with a dash, which a shell would take for an option (Kafka's `Uuid.randomUuid`).
    fn random() -> Self;
    /// Reads them; none if they are not a UUID.
    fn from_kafka(text: &str) -> Option<Self>;
}

impl KafkaUuid for Uuid {
    fn to_kafka(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.as_bytes())
    }
    fn random() -> Self {
        loop {
            let id = Uuid::new_v4();
            // A dash is the digit 62: the first six bits.
            if id.as_bytes()[0] >> 2 != 62 {
                return id;
            }
        }
    }
    fn from_kafka(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        Uuid::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_uuid_does_not_look_like_an_option() {
        assert!(Uuid::from_bytes([62 << 2; 16]).to_kafka().starts_with('-'));
        assert!((0..2_000).all(|_| !Uuid::random().to_kafka().starts_with('-')));
    }

    #[test]
    fn a_uuid_reads_as_kafka_writes_it() {
        let id = Uuid::from_kafka("AjtJUBfaRYS1fqhWubkuTg");
        assert_eq!(id.map(|id| id.to_kafka()).as_deref(), Some("AjtJUBfaRYS1fqhWubkuTg"));
        assert_eq!(Uuid::nil().to_kafka(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::from_kafka("short"), None);
    }
}
