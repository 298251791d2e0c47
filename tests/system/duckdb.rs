//! The programs that partner teams open tables with.

use std::path::PathBuf;

use crate::virtualenv;

const PACKAGES: [&str; 3] = ["duckdb==1.4.1", "pandas==2.3.3", "pyarrow==21.0.0"];

/// A Python that has DuckDB and pandas, or why there is none.
pub(crate) fn python() -> Result<PathBuf, String> {
    virtualenv::python("duckdb-1.4.1-pandas-2.3.3", &PACKAGES)
}
