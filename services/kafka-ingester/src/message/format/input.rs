//! A cursor over the bytes of a binary format.

/// What is left to be read.
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| format!("it ends {} bytes too early", count.saturating_sub(self.0.len())))?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// An integer of variable length in zigzag encoding, as Avro and the framing of Protobuf have it.
    pub(super) fn zigzag(&mut self) -> Result<i64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("an integer has more than 64 bits".to_owned())
    }

    /// Bytes after their length in zigzag encoding, as Avro has them.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], String> {
        let size = self.zigzag()?;
        self.take(usize::try_from(size).map_err(|_| format!("{size} is no length"))?)
    }

    /// Fails unless everything was read.
    pub(super) fn finish(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes are left over", self.0.len())) }
    }
}
