//! `Flush`: a flush in progress.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::run::{self, Run};

/// A flush in progress.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Flush {
    run: Arc<Run>,
    flush: run::Flush,
}

impl Flush {
    /// Starts to send all data recorded so far.
    pub(super) fn start(py: Python<'_>, run: &Arc<Run>) -> Self {
        Self { run: Arc::clone(run), flush: py.detach(|| run.flush()) }
    }
}

#[pymethods]
impl Flush {
    /// True if all of the data is settled, false if nothing more can be sent at present, else `None`.
    #[getter]
    fn settled(&self, py: Python<'_>) -> Option<bool> {
        py.detach(|| self.run.is_flushed(&self.flush))
    }
}
