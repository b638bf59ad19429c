//! Converts the arguments of Locust's `request` event to a [`Sample`].

use pyo3::prelude::*;
use pyo3::types::PyString;
use smol_str::SmolStr;

use super::{context, convert};
use crate::ingest::sample::Sample;
use crate::redact::redact_urls;
use crate::run::Run;
use crate::timestamp::Timestamp;

/// An argument, if the client reports it.
type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The arguments of the event, by their names in Locust.
pub struct RequestArguments<'a, 'py> {
    pub request_type: Argument<'a, 'py>,
    pub name: Argument<'a, 'py>,
    pub response_time: Argument<'a, 'py>,
    pub response_length: Argument<'a, 'py>,
    pub exception: Argument<'a, 'py>,
    pub context: Argument<'a, 'py>,
    pub response: Argument<'a, 'py>,
    pub start_time: Argument<'a, 'py>,
    pub url: Argument<'a, 'py>,
    pub status: Argument<'a, 'py>,
}

impl RequestArguments<'_, '_> {
    /// The sample of the request. Logs a warning if the response time has an unsuitable type.
    pub fn sample(&self, run: &Run) -> Sample {
        let text = |value: Argument<'_, '_>| value.map_or(SmolStr::new_static("None"), convert::text);
        let response_time_ms = convert::measure(self.response_time);
        let start = convert::number(self.start_time);
        let sample = Sample {
            time: Timestamp::of_completion(start, response_time_ms.unwrap_or_default(), Timestamp::now()),
            method: text(self.request_type),
            name: text(self.name),
            url: self.foreign_url(run),
            response_time_ms,
            response_bytes: convert::measure(self.response_length),
            failure: convert::failure(self.exception).map(Box::new),
            status: convert::status(self.status).or_else(|| convert::status_of(self.response)),
            users: run.users(),
            context: context::entries(self.context).into(),
        };
        if sample.response_time_ms.is_none() {
            self.warn_unless_number(run, &sample);
        }
        sample
    }

    /// The URL of the request, unless it is below the host of the run, as most are.
    fn foreign_url(&self, run: &Run) -> Option<Box<str>> {
        let url = self.url.filter(|url| !url.is_none())?;
        let text = url.cast::<PyString>().ok().and_then(|url| url.to_str().ok());
        if text.is_some_and(|url| run.identity.is_own_url(url)) { None } else { Some(convert::text(url)) }
    }

    /// Logs one warning if the type of the response time is not a number, because percentiles would lack such requests.
    fn warn_unless_number(&self, run: &Run, sample: &Sample) {
        let Some(value) = self.response_time.filter(|value| !convert::has_numeric_type(value)) else { return };
        let text = format!(
            "The response time of {} {} has the type {}, and is not published: the request is counted without a time. \
             Pass milliseconds as a number. Further such requests are not reported.",
            sample.method,
            redact_urls(&sample.name),
            convert::type_name(value)
        );
        run.warn_once("response time", &text);
    }
}
