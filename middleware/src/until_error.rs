//! [`until_error`]: what can be read, up to the first that cannot.

/// The values up to the first error, which is put aside.
pub(crate) fn until_error<T, E>(
    results: impl IntoIterator<Item = Result<T, E>>,
    error: &mut Option<E>,
) -> impl Iterator<Item = T> {
    results.into_iter().map_while(|result| result.map_err(|first| *error = Some(first)).ok())
}
