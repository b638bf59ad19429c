//! `Replay`: sends what an earlier process left in its spool.

use std::path::PathBuf;

use pyo3::exceptions::{PyBlockingIOError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::options::{config, invalid, spool_root};
use super::publisher::{Progress, Receipt, destination, numbered};
use crate::aws::Aws;
use crate::replay;
use crate::spool::Manifest;
use crate::spool::pending as spools;
use crate::timestamp::Timestamp;

/// The spool of a process, with something in it to be sent.
#[pyclass(frozen, get_all, module = "locust_cw._core")]
pub struct PendingSpool {
    run_id: String,
    worker: String,
    folder: PathBuf,
    live: bool,
    dry_run: bool,
    /// The account that its process published to, where that is recorded.
    account_id: Option<String>,
    /// Where its local CloudWatch was.
    local_url: Option<String>,
    files: usize,
    bytes: u64,
}

/// Everything below a spool folder that is still to be sent, oldest run first.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn pending_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<Vec<PendingSpool>> {
    let root = spool_root(spool_dir)?;
    let found = py.detach(|| spools::pending_spools(&root));
    let pending_spool = |found: spools::PendingSpool| PendingSpool {
        run_id: found.manifest.run_id,
        worker: found.manifest.worker,
        folder: found.folder,
        live: found.live,
        dry_run: found.manifest.dry_run,
        account_id: found.manifest.resolved.and_then(|resolved| resolved.account_id),
        local_url: found.manifest.aws.endpoint_url.filter(|_| found.manifest.aws.local),
        files: found.files,
        bytes: found.bytes,
    };
    Ok(found.into_iter().map(pending_spool).collect())
}

/// Removes the empty folders that killed processes left below a spool folder.
#[pyfunction]
#[pyo3(signature = (spool_dir = None))]
pub fn remove_empty_spools(py: Python<'_>, spool_dir: Option<String>) -> PyResult<()> {
    let root = spool_root(spool_dir)?;
    py.detach(|| spools::remove_empty(&root));
    Ok(())
}

/// The command that sends what waits in a spool folder of a run, or with `--all` of all of them.
#[pyfunction]
#[pyo3(signature = (run, spool_dir = None))]
pub fn replay_command(run: &str, spool_dir: Option<String>) -> PyResult<String> {
    Ok(spools::replay_command(run, &spool_root(spool_dir)?))
}

/// A replay under way.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Replay {
    replay: replay::Replay,
}

#[pymethods]
impl Replay {
    #[new]
    #[pyo3(signature = (folder, options, *, account = None, dry_run = false))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        options: &Bound<'_, PyDict>,
        account: Option<String>,
        dry_run: bool,
    ) -> PyResult<Self> {
        let given = config(options)?.aws;
        // What is wrong with the account is found out before anything is opened.
        given.clone().continuing(None, account.clone()).map_err(|error| invalid(&error))?;
        let change = |manifest: &mut Manifest| {
            let aws = given.or(std::mem::take(&mut manifest.aws));
            manifest.aws = aws.clone().continuing(manifest.resolved.take(), account).unwrap_or(aws);
        };
        let started = py.detach(|| {
            let runtime = crate::runtime::handle()?;
            replay::Replay::start(&folder, change, dry_run, Timestamp::now(), runtime, Aws::new)
        });
        match started {
            Ok(replay) => Ok(Self { replay }),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(PyBlockingIOError::new_err(format!(
                "{} belongs to a test that is still running, which sends it itself",
                folder.display()
            ))),
            Err(error) => Err(PyOSError::new_err(format!("{} cannot be read: {error}", folder.display()))),
        }
    }

    /// Where the data goes, as far as that is known by now.
    fn destination<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        destination(py, self.replay.destination().as_ref())
    }

    /// How far it has come.
    fn progress(&self, py: Python<'_>) -> Progress {
        py.detach(|| self.replay.progress()).into()
    }

    /// Takes the messages that wait to be logged, each with `logging`'s number of its level.
    fn diagnostics(&self) -> Vec<(u8, String)> {
        numbered(self.replay.messages())
    }

    /// Ends it, whatever is left, and draws up the account of what was in the spool.
    fn finish(&self, py: Python<'_>) -> Receipt {
        let (receipt, remarks) = py.detach(|| self.replay.finish());
        Receipt::new(&receipt, &remarks)
    }
}
