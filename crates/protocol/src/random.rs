//! Randomness as an argument.

/// A source of random bytes. Production seeds it from the operating system, the simulator from a seed.
pub trait Random {
    /// Fills `bytes` with random values.
    fn fill(&mut self, bytes: &mut [u8]);

    /// A random number below `limit`, which must not be zero.
    fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }
}

/// `count` random bytes as lower-case hexadecimal digits.
pub fn random_hex(random: &mut dyn Random, count: usize) -> String {
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A version 4 UUID.
pub fn random_uuid(random: &mut dyn Random) -> String {
    let mut b = [0; 16];
    random.fill(&mut b);
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
