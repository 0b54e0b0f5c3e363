//! `java.util.SplittableRandom` with a seed: the perf test's payloads are the same as the original's.

/// The generator.
#[derive(Debug)]
pub(crate) struct SplittableRandom {
    seed: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplittableRandom {
    /// With a seed.
    pub(crate) fn new(seed: u64) -> SplittableRandom {
        SplittableRandom { seed }
    }

    fn next(&mut self) -> u32 {
        self.seed = self.seed.wrapping_add(GOLDEN_GAMMA);
        let z = (self.seed ^ (self.seed >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
    }

    /// A number from 0 to `bound` - 1; `bound` must be positive.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let first = self.next();
        let most = bound.wrapping_sub(1);
        if bound & most == 0 {
            return first & most;
        }
        let mut drawn = first >> 1;
        loop {
            let rest = drawn % bound;
            // Drawn anew where the last, incomplete stretch of numbers would favour small ones.
            if (drawn.wrapping_add(most).wrapping_sub(rest) as i32) >= 0 {
                return rest;
            }
            drawn = self.next() >> 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_javas() {
        let mut random = SplittableRandom::new(0);
        let letters: String = (0..16).map(|_| char::from(b'A' + random.below(26) as u8)).collect();
        assert_eq!(letters, "YQHHNEBSEPDNSEIF");
    }
}
