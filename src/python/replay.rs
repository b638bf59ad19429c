//! `Replay`: sends the data that an earlier process left in its spool.

use std::path::PathBuf;

use pyo3::exceptions::{PyBlockingIOError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::options::config;
use super::progress::{LogMessage, Progress, destination};
use super::receipt::{Coverage, Receipt};
use crate::aws::Aws;
use crate::replay;
use crate::spool::Manifest;
use crate::timestamp::Timestamp;

/// A replay in progress.
#[pyclass(frozen, module = "locust_cw._core")]
pub struct Replay {
    replay: replay::Replay,
}

#[pymethods]
impl Replay {
    #[new]
    #[pyo3(signature = (folder, options, *, account = None, beside = None, dry_run = false))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 passes arguments by value")]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        options: &Bound<'_, PyDict>,
        account: Option<String>,
        beside: Option<&Self>,
        dry_run: bool,
    ) -> PyResult<Self> {
        let given = config(options)?.aws;
        // An invalid account is reported before the spool is opened.
        given.clone().continuing(None, account.clone())?;
        let change = |manifest: &mut Manifest| {
            let aws = given.or(std::mem::take(&mut manifest.aws));
            manifest.aws = aws.clone().continuing(manifest.resolved.take(), account).unwrap_or(aws);
        };
        let started = py.detach(|| {
            let runtime = crate::runtime::handle()?;
            replay::Replay::start(
                &folder,
                change,
                beside.map(|other| &other.replay),
                dry_run,
                Timestamp::now(),
                runtime,
                Aws::new,
            )
        });
        match started {
            Ok(replay) => Ok(Self { replay }),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(PyBlockingIOError::new_err(format!(
                "{} belongs to a test that is still running; the test sends it",
                folder.display()
            ))),
            Err(error) => Err(PyOSError::new_err(format!("{} cannot be read: {error}", folder.display()))),
        }
    }

    /// The destination of the data, as far as it is known.
    fn destination<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        destination(py, self.replay.destination().as_ref())
    }

    /// The progress of the replay.
    fn progress(&self, py: Python<'_>) -> Progress {
        py.detach(|| self.replay.progress()).into()
    }

    /// Takes the pending messages for the log.
    fn take_messages(&self) -> Vec<LogMessage> {
        self.replay.take_messages().into_iter().map(LogMessage::from).collect()
    }

    /// Ends the replay, even if not all data is sent, and builds the receipt of the data in the spool.
    fn finish(&self, py: Python<'_>) -> Receipt {
        let (receipt, end) = py.detach(|| self.replay.finish());
        Receipt::new(receipt, end, Coverage::All)
    }
}
