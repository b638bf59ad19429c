//! Spools of earlier processes, as Python lists them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;

use super::errors::not_started;
use super::options::spool_root;
use crate::spool::pending;

/// The spool of a process, with data to be sent.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
#[derive(Clone)]
pub struct PendingSpool {
    run_id: String,
    worker: String,
    folder: PathBuf,
    live: bool,
    dry_run: bool,
    /// The account that its process published to, if that is recorded.
    account_id: Option<String>,
    /// The URL of the local CloudWatch that it was meant for.
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
            live: found.live,
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

/// Everything below a spool folder that is still to be sent, oldest run first.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn pending_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<Vec<PendingSpool>> {
    let root = spool_root(spool_dir)?;
    Ok(py.detach(|| list(&root)))
}

/// Removes the empty folders that killed processes left below a spool folder.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn remove_empty_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<()> {
    let root = spool_root(spool_dir)?;
    py.detach(|| pending::remove_empty(&root));
    Ok(())
}

/// A search for pending spools in a thread of its own: the folder may be large, or on a slow disk.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct PendingSpoolSearch {
    found: Arc<OnceLock<Vec<PendingSpool>>>,
}

/// Begins to remove the empty folders below a spool folder, and to find what is still to be sent.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn find_pending_spools(spool_dir: Option<String>) -> PyResult<PendingSpoolSearch> {
    let root = spool_root(spool_dir)?;
    let found = Arc::<OnceLock<_>>::default();
    let result = Arc::clone(&found);
    let search = move || {
        pending::remove_empty(&root);
        // Only here is it ever set.
        let _ = result.set(list(&root));
    };
    let thread = std::thread::Builder::new().name("locust-cw-spools".to_owned());
    thread.spawn(search).map_err(|error| not_started(&error))?;
    Ok(PendingSpoolSearch { found })
}

#[pymethods]
impl PendingSpoolSearch {
    /// What was found, oldest run first; `None` before the search has ended.
    #[getter]
    fn found(&self) -> Option<Vec<PendingSpool>> {
        self.found.get().cloned()
    }
}
