//! `java.util.Random` with a seed: what the latency test sends is what the original sends.

/// The generator.
#[derive(Debug)]
pub(crate) struct JavaRandom {
    seed: u64,
}

const MULTIPLIER: u64 = 0x5_deec_e66d;
const MASK: u64 = (1 << 48) - 1;

impl JavaRandom {
    /// With a seed.
    pub(crate) fn new(seed: u64) -> JavaRandom {
        JavaRandom { seed: (seed ^ MULTIPLIER) & MASK }
    }

    /// 31 bits.
    fn next(&mut self) -> i32 {
        self.seed = self.seed.wrapping_mul(MULTIPLIER).wrapping_add(0xb) & MASK;
        (self.seed >> 17) as i32
    }

    /// A number from 0 to `bound` - 1; `bound` must be positive.
    pub(crate) fn below(&mut self, bound: i32) -> i32 {
        let most = bound - 1;
        if bound & most == 0 {
            return ((i64::from(bound) * i64::from(self.next())) >> 31) as i32;
        }
        loop {
            let drawn = self.next();
            let rest = drawn % bound;
            if drawn.wrapping_sub(rest).wrapping_add(most) >= 0 {
                return rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_javas() {
        let mut random = JavaRandom::new(0);
        let letters: String = (0..8).map(|_| char::from(b'A' + random.below(26) as u8)).collect();
        assert_eq!(letters, "SSXVNJHP");
    }
}
