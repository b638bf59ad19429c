//! The HTTP status of the responses that Locust's clients report.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::convert::{raise_ctrl_c_later, status};

/// Reads the status of responses.
#[derive(Default)]
pub struct Responses {
    /// The class of the responses of Locust's `FastHttpUser`, whose property `status_code` is Python code.
    fast: Option<Py<PyType>>,
}

impl Responses {
    /// Knows the classes of Locust, as far as they are imported.
    pub fn of_locust(py: Python<'_>) -> Self {
        let fast = || -> PyResult<Py<PyType>> {
            let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?.cast_into::<PyDict>()?;
            let module = modules.as_any().get_item("locust.contrib.fasthttp")?;
            Ok(module.getattr("FastResponse")?.cast_into::<PyType>()?.unbind())
        };
        Self { fast: fast().ok() }
    }

    /// The HTTP status of a response, if it has one.
    pub fn status_of(&self, response: Option<&Bound<'_, PyAny>>) -> Option<u16> {
        let response = response.filter(|response| !response.is_none())?;
        let is_fast = self.fast.as_ref().is_some_and(|fast| response.get_type().is(fast));
        let code = if is_fast { fast_status(response) } else { None };
        // It may be a property, which runs code of the client.
        let code = code.map_or_else(|| response.getattr(intern!(response.py(), "status_code")), Ok);
        status(code.inspect_err(|error| raise_ctrl_c_later(response.py(), error)).ok().as_ref())
    }
}

/// What `FastResponse.status_code` returns, without a call of Python code; `None` if the response has another structure.
fn fast_status<'py>(response: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = response.py();
    response.getattr(intern!(py, "_response")).ok()?.call_method0(intern!(py, "get_code")).ok()
}
