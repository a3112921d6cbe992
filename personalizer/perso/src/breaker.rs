//! The breaker: a line that makes the same fault again and again is stopped before it eats all blanks.

/// Faults in a row that stop the line, unless the caller says otherwise.
pub const DEFAULT_LIMIT: u32 = 3;

/// Counts identical faults in a row.
#[derive(Clone, Debug)]
pub struct Breaker {
    limit: u32,
    last: Option<String>,
    count: u32,
}

impl Breaker {
    /// Stops after `limit` identical faults in a row, at least one.
    pub fn new(limit: u32) -> Self {
        Breaker { limit: limit.max(1), last: None, count: 0 }
    }

    /// A good card: the count starts again.
    pub fn good(&mut self) {
        self.last = None;
        self.count = 0;
    }

    /// A fault, named without anything that differs from card to card; true when the line must stop.
    pub fn fault(&mut self, name: &str) -> bool {
        if self.last.as_deref() == Some(name) {
            self.count += 1;
        } else {
            self.last = Some(name.to_owned());
            self.count = 1;
        }
        self.count >= self.limit
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::new(DEFAULT_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_faults_in_a_row_stop_the_line() {
        let mut breaker = Breaker::default();
        assert!(!breaker.fault("refused E2 6A84"));
        assert!(!breaker.fault("refused E2 6A84"));
        assert!(!breaker.fault("read back"));
        assert!(!breaker.fault("refused E2 6A84"));
        breaker.good();
        assert!(!breaker.fault("refused E2 6A84"));
        assert!(!breaker.fault("refused E2 6A84"));
        assert!(breaker.fault("refused E2 6A84"));
        assert!(Breaker::new(0).fault("x"));
    }
}
