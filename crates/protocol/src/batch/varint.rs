//! Zigzag variable-length integers, as records write lengths and deltas.

/// Reads a 32-bit one at `at`, which moves behind it. None when cut short or too long.
pub fn read_i32(bytes: &[u8], at: &mut usize) -> Option<i32> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(i32::from(first >> 1) ^ -i32::from(first & 1));
    }
    let mut value = u32::from(first & 0x7f);
    for i in 1..5 {
        let byte = *bytes.get(*at + i)?;
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *at += i + 1;
            return Some((value >> 1) as i32 ^ -((value & 1) as i32));
        }
    }
    None
}

/// Reads a 64-bit one at `at`, which moves behind it. None when cut short or too long.
pub fn read_i64(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0u64;
    for i in 0..10 {
        let byte = *bytes.get(*at + i)?;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *at += i + 1;
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Appends a 32-bit one.
pub fn write_i32(value: i32, out: &mut Vec<u8>) {
    write(u64::from(((value << 1) ^ (value >> 31)) as u32), out);
}

/// Appends a 64-bit one.
pub fn write_i64(value: i64, out: &mut Vec<u8>) {
    write(((value << 1) ^ (value >> 63)) as u64, out);
}

fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that `value` takes.
pub fn size_i32(value: i32) -> usize {
    size(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes that `value` takes.
pub fn size_i64(value: i64) -> usize {
    size(((value << 1) ^ (value >> 63)) as u64)
}

fn size(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}
