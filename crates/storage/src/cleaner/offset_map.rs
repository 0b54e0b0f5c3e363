//! Key -> offset of its last record, in bounded memory: of a key only a keyed 128-bit hash is kept, as in Kafka's
//! SkimpyOffsetMap. The hash is SipHash-2-4 under a secret, so that nobody can choose keys that collide and lose one of them.

/// What an empty slot holds.
const EMPTY: u64 = 0;

/// Two halves of the hash, and the offset plus one (0: empty).
type Slot = [u64; 3];

/// Bytes of memory that a key takes.
pub(crate) const SLOT_BYTES: usize = std::mem::size_of::<Slot>();

/// Last offsets of keys.
pub(crate) struct OffsetMap {
    secret: (u64, u64),
    slots: Vec<Slot>,
    /// Keys that it takes before it counts as full.
    keys_max: usize,
    keys: usize,
    /// Everything up to this offset is in the map; -1 when nothing is.
    pub latest: i64,
}

impl OffsetMap {
    /// A map of at most `bytes` that is full at `load_factor` of its slots, and no larger than `keys` keys need.
    pub fn new(bytes: usize, load_factor: f64, keys: u64, secret: u128) -> OffsetMap {
        let load_factor = load_factor.clamp(0.01, 1.0);
        let needed = (keys as f64 / load_factor).min(usize::MAX as f64) as usize;
        let slots = (bytes / SLOT_BYTES).min(needed.saturating_add(1)).max(2);
        // Zeroed memory that is not touched costs nothing.
        OffsetMap {
            secret: (secret as u64, (secret >> 64) as u64),
            slots: vec![[EMPTY; 3]; slots],
            keys_max: ((slots as f64 * load_factor) as usize).clamp(1, slots - 1),
            keys: 0,
            latest: -1,
        }
    }

    /// Bytes of memory that it may touch.
    pub fn bytes(&self) -> usize {
        self.slots.len() * SLOT_BYTES
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Notes that the last record of `key` stands at `offset`; false, and nothing noted, when the map is full.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = sip_128(self.secret, key);
        let at = self.find(hash);
        let Some(slot) = self.slots.get_mut(at) else {
            return false;
        };
        if slot[2] == EMPTY {
            if self.keys >= self.keys_max {
                return false;
            }
            self.keys += 1;
        }
        *slot = [hash.0, hash.1, (offset as u64).wrapping_add(1)];
        true
    }

    /// Where the last record of `key` stands; -1 when the map does not know it.
    pub fn get(&self, key: &[u8]) -> i64 {
        let at = self.find(sip_128(self.secret, key));
        self.slots.get(at).map_or(-1, |slot| slot[2].wrapping_sub(1) as i64)
    }

    /// The slot of a hash, or the empty one where it belongs. There always is an empty one.
    fn find(&self, hash: (u64, u64)) -> usize {
        let len = self.slots.len();
        let mut at = ((u128::from(hash.0) * len as u128) >> 64) as usize;
        while let Some(slot) = self.slots.get(at) {
            if slot[2] == EMPTY || (slot[0], slot[1]) == hash {
                break;
            }
            at = if at + 1 == len { 0 } else { at + 1 };
        }
        at
    }
}

fn round(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *v = [a, b, c, d];
}

/// SipHash-2-4 with 128 bits of output.
fn sip_128(secret: (u64, u64), bytes: &[u8]) -> (u64, u64) {
    let mut v = [
        secret.0 ^ 0x736f_6d65_7073_6575,
        secret.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        secret.0 ^ 0x6c79_6765_6e65_7261,
        secret.1 ^ 0x7465_6462_7974_6573,
    ];
    let mut take = |word: u64| {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    };
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        take(word.try_into().map_or(0, u64::from_le_bytes));
    }
    let mut last = [0; 8];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    take(u64::from_le_bytes(last));
    let mut finish = |mark: u64, at: usize| {
        v[at] ^= mark;
        (0..4).for_each(|_| round(&mut v));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    };
    let first = finish(0xee, 2);
    (first, finish(0xdd, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_siphash() {
        // Of the authors' table of vectors for 128 bits: key 00..0f, input 00..len-1.
        let secret = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let vectors: [(usize, (u64, u64)); 3] = [
            (0, (0xe6a8_25ba_047f_81a3, 0x9302_55c7_1472_f66d)),
            (1, (0x44af_996b_d8c1_87da, 0x45fc_229b_1159_7634)),
            (2, (0xc75d_a4a4_8d22_7781, 0xe4ff_0af6_de8b_a3fc)),
        ];
        for (len, expected) in vectors {
            let input: Vec<u8> = (0..len as u8).collect();
            assert_eq!(sip_128(secret, &input), expected, "{len}");
        }
    }

    #[test]
    fn a_map_is_full_at_its_load_factor_and_forgets_nothing() {
        let mut map = OffsetMap::new(100 * SLOT_BYTES, 0.9, u64::MAX, 7);
        let taken = (0..200i64).take_while(|i| map.put(format!("k{i}").as_bytes(), *i)).count();
        assert_eq!((taken, map.keys()), (90, 90));
        assert!(map.put(b"k5", 1_000), "a key that is known takes no slot");
        for i in 0..90i64 {
            assert_eq!(map.get(format!("k{i}").as_bytes()), if i == 5 { 1_000 } else { i });
        }
        assert_eq!(map.get(b"k90"), -1);
    }

    #[test]
    fn a_map_is_no_larger_than_the_dirty_part_needs() {
        assert_eq!(OffsetMap::new(128 << 20, 0.9, 900, 7).bytes(), 1_001 * SLOT_BYTES);
        assert_eq!(OffsetMap::new(1 << 20, 0.9, u64::MAX, 7).bytes(), (1 << 20) / SLOT_BYTES * SLOT_BYTES);
    }
}
