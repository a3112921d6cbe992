//! A PC/SC driver.
