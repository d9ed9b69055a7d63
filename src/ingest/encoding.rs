//! Stub.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("{0}")]
    Unsupported(String),
    #[error("{limit}")]
    TooLarge { limit: usize },
    #[error("{encoding} {why}")]
    Corrupt { encoding: String, why: String },
}
pub(crate) fn with_decoded<T>(
    _e: &str,
    body: &[u8],
    _limit: usize,
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, DecodeError> {
    Ok(read(body))
}
