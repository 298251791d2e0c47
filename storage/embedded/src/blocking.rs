//! Blocking calls from async code.

use tandem_storage::{Result, StoreError};

/// Makes a blocking call on a thread for such calls.
///
/// A panic in there is a bug, ours or that of the store's library; it is told to the caller
/// instead of tearing down more.
pub(crate) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(call).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => {
            Err(StoreError::Refused(format!("a call panicked: {}", panic_text(&*error.into_panic()))))
        }
        Err(_) => Err(StoreError::Unavailable("the process is shutting down".to_owned())),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}
