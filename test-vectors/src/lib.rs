//! What must be true: worked numbers, orders, portraits, and the architecture as a test.
