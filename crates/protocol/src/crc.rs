//! The one checksum of Kafka's batches and producer snapshots: CRC-32C (Castagnoli), by the widest instructions the machine has.

/// CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}
