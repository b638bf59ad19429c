//! Lists the spools of earlier processes for Python.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;

use super::errors::not_started;
use super::options::spool_root;
use crate::spool::pending;

/// The spool of a process with data to be sent.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
#[derive(Clone)]
pub struct PendingSpool {
    run_id: String,
    worker: String,
    folder: PathBuf,
    is_running: bool,
    dry_run: bool,
    /// The account that the process published to, if it is recorded.
    account_id: Option<String>,
    /// The URL of the local CloudWatch that the process published to, if it used one.
    local_url: Option<String>,
    files: usize,
    bytes: u64,
}

impl From<pending::PendingSpool> for PendingSpool {
    fn from(found: pending::PendingSpool) -> Self {
        Self {
            run_id: found.manifest.run_id,
            worker: found.manifest.worker,
            folder: found.folder,
            is_running: found.is_running,
            dry_run: found.manifest.dry_run,
            account_id: found.manifest.resolved.and_then(|resolved| resolved.account_id),
            local_url: found.manifest.aws.endpoint_url.filter(|_| found.manifest.aws.local),
            files: found.files,
            bytes: found.bytes,
        }
    }
}

fn list(root: &std::path::Path) -> Vec<PendingSpool> {
    pending::pending_spools(root).into_iter().map(PendingSpool::from).collect()
}

/// All spools below a folder with data to be sent, oldest run first.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn pending_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<Vec<PendingSpool>> {
    let root = spool_root(spool_dir)?;
    Ok(py.detach(|| list(&root)))
}

/// Removes the empty folders that killed processes left below a folder.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn remove_empty_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<()> {
    let root = spool_root(spool_dir)?;
    py.detach(|| pending::remove_empty(&root));
    Ok(())
}

/// A search for pending spools. It has its own thread, because the folder may be large, or on a slow disk.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct PendingSpoolSearch {
    found: Arc<OnceLock<Vec<PendingSpool>>>,
}

/// Starts to remove the empty folders below a folder, and to find the spools with data to be sent.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn find_pending_spools(spool_dir: Option<String>) -> PyResult<PendingSpoolSearch> {
    let root = spool_root(spool_dir)?;
    let found = Arc::<OnceLock<_>>::default();
    let result = Arc::clone(&found);
    let search = move || {
        pending::remove_empty(&root);
        // It fails only if the result is set, and nothing else sets it.
        let _ = result.set(list(&root));
    };
    let thread = std::thread::Builder::new().name("locust-cw-spools".to_owned());
    thread.spawn(search).map_err(|error| not_started(&error))?;
    Ok(PendingSpoolSearch { found })
}

#[pymethods]
impl PendingSpoolSearch {
    /// The spools, oldest run first; `None` before the search has ended.
    #[getter]
    fn found(&self) -> Option<Vec<PendingSpool>> {
        self.found.get().cloned()
    }
}
