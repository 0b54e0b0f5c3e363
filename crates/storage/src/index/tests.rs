//! What a search finds, from wherever the one before it ended.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::disk::RealDisk;

#[test]
fn a_search_finds_the_same_forwards_backwards_and_by_leaps() {
    let place = tempfile::tempdir().unwrap();
    let disk = RealDisk::with_open_files_max(8);
    for count in [0, 1, SEARCH_ENTRIES - 1, SEARCH_ENTRIES, SEARCH_ENTRIES + 1, 5 * SEARCH_ENTRIES + 7] {
        let path = place.path().join(format!("{count}.index"));
        let mut written = Index::<OffsetEntry>::create(&disk, &path, 1 << 20).unwrap();
        for n in 0..count as u32 {
            written.push(OffsetEntry { relative_offset: 10 * n + 5, position: 4_096 * n }).unwrap();
        }
        written.trim().unwrap();
        let index = Index::<OffsetEntry>::open(&disk, &path).unwrap();
        assert_eq!(index.len(), count);
        let forwards = 0..=count;
        let leaps = (0..=count).map(|n| n * 7_919 % (count + 1));
        for wanted in forwards.clone().chain(forwards.rev()).chain(leaps) {
            let found = index.partition_point(|entry| entry.relative_offset < 10 * wanted as u32).unwrap();
            assert_eq!(found, wanted, "of {count}");
        }
    }
}
