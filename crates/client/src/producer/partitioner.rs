//! Which partition a record goes to: murmur2 of the key as all Kafka clients have it, or the sticky choice of KIP-794.

/// Java's `Utils.murmur2`: 32 bits, its own seed.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

/// The partition of a key among `count` of them: all of them count, whether or not they have a leader.
pub fn partition_for_key(key: &[u8], count: usize) -> usize {
    let positive = (murmur2(key) & i32::MAX) as usize;
    positive % count.max(1)
}

/// Partitions that can be written to, with how much they are to be preferred.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    partitions: Vec<usize>,
    /// Running sums of the weights; `None` when all weigh the same.
    sums: Option<Vec<u64>>,
}

impl Choice {
    /// All alike.
    pub(crate) fn even(partitions: Vec<usize>) -> Self {
        Choice { partitions, sums: None }
    }

    /// The shorter a partition's queue of batches, the likelier it is chosen.
    pub(crate) fn by_queues(queues: &[(usize, usize)]) -> Self {
        let partitions = queues.iter().map(|(partition, _)| *partition).collect();
        let longest = queues.iter().map(|(_, batches)| *batches).max().unwrap_or(0);
        if queues.iter().all(|(_, batches)| *batches == longest) {
            return Choice::even(partitions);
        }
        let weights = queues.iter().map(|(_, batches)| (longest + 1 - batches) as u64);
        let sums = weights.scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Choice { partitions, sums: Some(sums.collect()) }
    }

    fn draw(&self, random: u32) -> Option<usize> {
        let Some(sums) = &self.sums else {
            let at = random as usize % self.partitions.len().max(1);
            return self.partitions.get(at).copied();
        };
        let drawn = u64::from(random) % sums.last().copied().unwrap_or(1).max(1);
        self.partitions.get(sums.partition_point(|sum| *sum <= drawn)).copied()
    }
}

/// KIP-794: records without a key stay with a partition until `batch.size` bytes went there.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    current: Option<usize>,
    produced: usize,
    choice: Choice,
}

impl Sticky {
    /// What can be chosen from now on.
    pub(crate) fn prefer(&mut self, choice: Choice) {
        self.choice = choice;
    }

    /// The partition of the next record among `count`.
    pub(crate) fn partition(&mut self, count: usize, mut random: impl FnMut() -> u32) -> usize {
        if let Some(current) = self.current.filter(|current| *current < count) {
            return current;
        }
        // With no partition to write to, any will do: it waits for its leader.
        let drawn = self.choice.draw(random()).filter(|drawn| *drawn < count);
        let partition = drawn.unwrap_or_else(|| random() as usize % count.max(1));
        self.current = Some(partition);
        self.produced = 0;
        partition
    }

    /// The record took `bytes`. The next may go elsewhere once `stick_bytes` went here and a batch has just been filled, so
    /// that no half-full batch is left behind; after twice as much in any case.
    pub(crate) fn appended(&mut self, partition: usize, bytes: usize, stick_bytes: usize, at_boundary: bool) {
        if self.current != Some(partition) {
            return;
        }
        self.produced += bytes;
        if self.produced >= stick_bytes && at_boundary || self.produced >= stick_bytes.saturating_mul(2) {
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests;
