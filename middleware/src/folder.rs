//! The folder that a file stands in.

use std::fs;
use std::path::Path;

/// The folder of a file.
pub(crate) fn of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Sees to it that the name of a file, and of those beside it, outlives a failure of power too, where folders can be synced.
pub(crate) fn sync_names(file: &Path) {
    // Some systems sync no folders, and some folders may not be read; their files are as safe as can be.
    #[cfg(unix)]
    let _ = fs::File::open(of(file)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = file;
}
