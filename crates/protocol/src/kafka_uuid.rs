//! Kafka writes a UUID as 22 characters of url-safe base64: topic ids, directory ids and the cluster id look like that.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// Kafka's text form of a UUID.
pub trait KafkaUuid: Sized {
    /// The 22 characters.
    fn to_kafka(&self) -> String;
    /// Reads them; none if they are not a UUID.
    fn from_kafka(text: &str) -> Option<Self>;
}

impl KafkaUuid for Uuid {
    fn to_kafka(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.as_bytes())
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
    fn a_uuid_reads_as_kafka_writes_it() {
        let id = Uuid::from_kafka("AjtJUBfaRYS1fqhWubkuTg");
        assert_eq!(id.map(|id| id.to_kafka()).as_deref(), Some("AjtJUBfaRYS1fqhWubkuTg"));
        assert_eq!(Uuid::nil().to_kafka(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid::from_kafka("short"), None);
    }
}
