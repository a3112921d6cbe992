//! Randomness as an argument.

/// A source of unpredictable bytes.
pub trait Random {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// When the source cannot deliver; the buffer must then not be used.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (**self).fill(bytes)
    }
}

/// The source of randomness failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the random number generator failed")]
pub struct RandomError;

/// OpenSSL's generator, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        openssl::rand::rand_priv_bytes(bytes).map_err(|_| RandomError)
    }
}

/// Bytes known beforehand, handed out in order: for worked examples and replays, never for a real card.
#[derive(Clone, Debug)]
pub struct Fixed(std::vec::IntoIter<u8>);

impl Fixed {
    /// Hands out these bytes, then fails.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Fixed(bytes.into().into_iter())
    }
}

impl Random for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.iter_mut().try_for_each(|byte| self.0.next().map(|next| *byte = next).ok_or(RandomError))
    }
}

/// `N` fresh bytes.
pub(crate) fn array<const N: usize>(random: &mut dyn Random) -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_bytes_come_in_order_and_end() {
        let mut random = Fixed::new([1, 2, 3]);
        assert_eq!(array(&mut random), Ok([1, 2]));
        assert_eq!(array::<2>(&mut random), Err(RandomError));
    }

    #[test]
    fn the_operating_system_does_not_repeat_itself() {
        assert_ne!(array::<16>(&mut OsRandom), array::<16>(&mut OsRandom));
    }
}
