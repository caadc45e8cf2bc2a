//! Random bytes of the system.

/// For trial codes, which must be new and need not be secret. A system without random numbers gives the
/// same code again: still a code.
pub(crate) fn random_byte() -> u8 {
    let mut byte = [0; 1];
    let _ = getrandom::fill(&mut byte);
    byte.first().copied().unwrap_or_default()
}

/// Unpredictable bytes as hexadecimal digits, two for each.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn hex<const BYTES: usize>() -> std::io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
