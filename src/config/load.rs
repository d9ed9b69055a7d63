//! Reading the configuration: file, then environment, then the checks that need more than one key.

/// Why a configuration was refused.
#[derive(Debug)]
pub struct ConfigError;
/// Stub.
pub fn from_toml() {}
/// Stub.
pub fn load() {}
