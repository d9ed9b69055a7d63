//! Stub.
pub(crate) mod encoding;
