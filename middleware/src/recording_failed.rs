use std::sync::Arc;

/// A recording could not write something: the report on `$sys.recording.failed`.
///
/// It is made by the first event that comes by the recording after something failed, since the thread that writes has
/// no bus of its own. Recordings come with the feature `recording`; without it, nobody makes this report.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingFailed {
    /// Where it writes to.
    pub recording: Arc<str>,
    /// Events lost that way so far, for whatever reason.
    pub lost: u64,
    /// The latest reason.
    pub error: Arc<str>,
}
