//! Every codec gives back what it was given, and none can be made to give more than the limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn samples() -> Vec<Vec<u8>> {
    let mixed: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> ((i / 1000) % 24)) as u8).collect();
    vec![vec![], b"x".to_vec(), vec![0; 100_000], mixed]
}

#[test]
fn what_goes_in_comes_out() {
    for codec in Codec::ALL {
        for sample in samples() {
            let mut packed = Vec::new();
            codec.compress(None, &sample, &mut packed).unwrap();
            let mut out = b"kept".to_vec();
            codec.decompress(&packed, &mut out, DECOMPRESSED_BATCH_BYTES_MAX).unwrap();
            assert_eq!(out[4..], sample, "{codec}");
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    for codec in Codec::ALL {
        let mut packed = Vec::new();
        codec.compress(None, &vec![0; 10 << 20], &mut packed).unwrap();
        let mut out = Vec::new();
        let refused = codec.decompress(&packed, &mut out, 1 << 20);
        assert!(matches!(refused, Err(CompressionError::TooLarge { limit: 1_048_576 })), "{codec}");
        assert!(out.capacity() < 5 << 20, "{codec} reserved {}", out.capacity());
    }
}

#[test]
fn torn_and_foreign_bytes_are_errors() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut packed = Vec::new();
        codec.compress(None, &samples()[3], &mut packed).unwrap();
        packed.truncate(packed.len() / 2);
        assert!(codec.decompress(&packed, &mut Vec::new(), 1 << 30).is_err(), "{codec} torn");
        assert!(codec.decompress(&[0xff; 64], &mut Vec::new(), 1 << 30).is_err(), "{codec} foreign");
    }
}

#[test]
fn a_snappy_block_that_lies_about_its_size_reserves_nothing() {
    // A varint length of 2 GiB in front of nothing.
    let refused = Codec::Snappy.decompress(&[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0], &mut Vec::new(), 1 << 30);
    assert!(refused.is_err());
}

#[test]
fn a_snappy_block_that_claims_more_than_snappy_can_do_reserves_nothing() {
    // 63 bytes that claim to unfold to 63 * 64.
    let mut lie = vec![0xc0, 0x1f];
    lie.resize(63, 0);
    let refused = Codec::Snappy.decompress(&lie, &mut Vec::new(), 1 << 30).unwrap_err();
    assert_eq!(refused.to_string(), "the snappy data is corrupt: a snappy block claims an impossible size");
    // The best it can do is believed.
    let mut packed = Vec::new();
    Codec::Snappy.compress(None, &vec![7; 1 << 20], &mut packed).unwrap();
    Codec::Snappy.decompress(&packed, &mut Vec::new(), 1 << 20).unwrap();
}

#[test]
fn a_thread_does_not_hold_on_to_a_large_zstd_window() {
    let unfold = |packed: &[u8]| Codec::Zstd.decompress(packed, &mut Vec::new(), 1 << 20).unwrap();
    let mut packed = Vec::new();
    Codec::Zstd.compress(None, b"small", &mut packed).unwrap();
    unfold(&packed);
    let small = zstd_reader::kept_bytes();
    assert!(small > 0, "contexts are kept");
    // A frame of one empty block that asks for a window of 128 MiB.
    unfold(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00]);
    assert_eq!(zstd_reader::kept_bytes(), 0);
    unfold(&packed);
    assert_eq!(zstd_reader::kept_bytes(), small);
}

#[test]
fn bare_snappy_is_read() {
    let packed = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
    let mut out = Vec::new();
    Codec::Snappy.decompress(&packed, &mut out, 100).unwrap();
    assert_eq!(out, b"hello hello hello");
}

#[test]
fn names_and_ids() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()).unwrap(), codec);
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
    }
    assert!(Codec::from_id(5).is_err());
    assert_eq!(Codec::from_name("uncompressed"), Some(Codec::None));
    assert_eq!(Codec::from_name("producer"), None);
}
