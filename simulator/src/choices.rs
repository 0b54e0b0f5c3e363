//! What an arbitrary story does next, read off bytes: whoever makes the bytes (a fuzzer, a property test, a file of a corpus) makes
//! the story, and fewer bytes are a shorter story.

/// Numbers at which something may tip over.
const EDGES: [i64; 14] = [
    i64::MIN,
    i64::MIN + 1,
    i32::MIN as i64,
    i16::MIN as i64,
    -2,
    -1,
    0,
    i8::MAX as i64,
    i16::MAX as i64 - 1,
    i16::MAX as i64,
    i32::MAX as i64 - 1,
    i32::MAX as i64,
    i64::MAX - 1,
    i64::MAX,
];

/// The bytes that are left to choose by; when there are none left, the first possibility is chosen.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Choices by these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all bytes are used up: where a story ends.
    pub fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// True about once in `times`.
    pub fn once_in(&mut self, times: u8) -> bool {
        self.below(times) == times - 1
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// Mostly a small number, sometimes one at an edge of its type, sometimes any.
    pub fn number(&mut self) -> i64 {
        match self.byte() {
            small @ 0..=191 => i64::from(small),
            edge @ 192..=239 => EDGES[usize::from(edge - 192) % EDGES.len()],
            _ => i64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// The same as a narrower type; what does not fit is cut off at the top.
    pub fn narrow<T: TryFrom<i64> + Default>(&mut self) -> T {
        let wide = self.number();
        let bits = 8 * size_of::<T>() as u32;
        T::try_from(wide << (64 - bits) >> (64 - bits)).unwrap_or_default()
    }
}

/// Bytes without a pattern, the same of the same seed: for a story when nobody offers one.
pub fn bytes_of(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::Choices;

    #[test]
    fn the_same_bytes_choose_the_same_and_their_end_is_the_end() {
        let mut choices = Choices::new(&[7, 3, 192, 1, 255]);
        assert_eq!((choices.below(5), choices.one_of(&["a", "b"]), choices.number()), (2, "b", i64::MIN));
        assert!(!choices.once_in(3));
        assert!(!choices.are_over());
        // A number of eight more bytes than there are.
        assert_eq!(choices.number(), 0);
        assert!(choices.are_over());
        assert_eq!((choices.byte(), choices.below(9), choices.one_of(&[4, 5])), (0, 0, 4));
    }

    #[test]
    fn a_number_that_is_too_wide_is_cut() {
        assert_eq!(Choices::new(&[203]).narrow::<i32>(), i32::MAX);
        assert_eq!(Choices::new(&[192]).narrow::<i16>(), 0);
        assert_eq!(Choices::new(&[197]).narrow::<i16>(), -1);
    }
}
