//! Converts the arguments of Locust's `request` event to a [`Sample`].

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyString};
use smol_str::SmolStr;

use super::responses::Responses;
use super::{context, convert};
use crate::ingest::logging_rules::Detail;
use crate::redact::redact_urls;
use crate::run::Run;
use crate::sample::{Failure, Sample, Scalar};
use crate::timestamp::Timestamp;

/// An argument, if the client reports it.
type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The arguments of the event, by their names in Locust.
pub struct RequestArguments<'a, 'py> {
    pub late: LateArguments<'a, 'py>,
    pub response_time: Argument<'a, 'py>,
    pub exception: Argument<'a, 'py>,
    pub context: Argument<'a, 'py>,
    pub response: Argument<'a, 'py>,
    pub status: Argument<'a, 'py>,
}

/// The arguments that are texts and numbers, and can be converted later.
pub struct LateArguments<'a, 'py> {
    pub request_type: Argument<'a, 'py>,
    pub name: Argument<'a, 'py>,
    pub start_time: Argument<'a, 'py>,
    pub url: Argument<'a, 'py>,
    pub response_length: Argument<'a, 'py>,
}

/// What is known of a request as soon as it has finished.
pub struct Known {
    /// The time of the event.
    pub now: Timestamp,
    pub detail: Detail,
    pub response_time_ms: Option<f64>,
    pub failure: Option<Box<Failure>>,
    pub status: Option<u16>,
    pub context: Box<[(String, Scalar)]>,
}

impl RequestArguments<'_, '_> {
    /// The sample of the request. Logs a warning if the response time has an unsuitable type.
    pub fn sample(&self, run: &Run, responses: &Responses) -> Sample {
        let failure = convert::failure(self.exception).map(Box::new);
        let detail = run.details.next(failure.is_some(), convert::measure(self.response_time));
        self.sample_of(failure, detail, run, responses)
    }

    /// The same with details that are decided.
    pub fn sample_of(&self, failure: Option<Box<Failure>>, detail: Detail, run: &Run, responses: &Responses) -> Sample {
        let (status, context) = if detail.is_full() {
            (self.status(responses), context::entries(self.context).into())
        } else {
            (None, Box::default())
        };
        let response_time_ms = convert::measure(self.response_time);
        let known = Known { now: Timestamp::now(), detail, response_time_ms, failure, status, context };
        let sample = self.late.sample(run, known);
        if sample.response_time_ms.is_none() {
            self.warn_unless_number(run, &sample);
        }
        sample
    }

    /// The HTTP status.
    pub fn status(&self, responses: &Responses) -> Option<u16> {
        convert::status(self.status).or_else(|| responses.status_of(self.response))
    }

    /// Whether the context may have entries.
    pub fn has_context(&self) -> bool {
        self.context.and_then(|context| context.cast::<PyDict>().ok()).is_some_and(|context| !context.is_empty())
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

impl<'a, 'py> LateArguments<'a, 'py> {
    /// The arguments in their order.
    pub const fn of(values: [Argument<'a, 'py>; 5]) -> Self {
        let [request_type, name, start_time, url, response_length] = values;
        Self { request_type, name, start_time, url, response_length }
    }

    /// Whether all are plain texts and numbers, so that converting them later runs no code of the user.
    pub fn is_plain(&self) -> bool {
        let values = [self.request_type, self.name, self.start_time, self.url, self.response_length];
        values.into_iter().flatten().all(|value| {
            value.is_exact_instance_of::<PyString>()
                || value.is_exact_instance_of::<PyFloat>()
                || value.is_exact_instance_of::<PyInt>()
                || value.is_none()
        })
    }

    /// The sample of the request.
    pub fn sample(&self, run: &Run, known: Known) -> Sample {
        let Known { now, detail, response_time_ms, failure, status, context } = known;
        let text = |value: Argument<'_, '_>| value.map_or(SmolStr::new_static("None"), convert::text);
        let start = convert::number(self.start_time);
        Sample {
            time: Timestamp::of_completion(start, response_time_ms.unwrap_or_default(), now),
            method: text(self.request_type),
            name: text(self.name),
            url: if detail.is_full() || run.identity.host.is_none() { self.foreign_url(run) } else { None },
            response_time_ms,
            response_bytes: convert::measure(self.response_length),
            failure,
            status,
            users: if detail.is_full() { run.users() } else { 0 },
            context,
            is_logged: detail.is_logged(),
        }
    }

    /// The URL of the request, unless it is below the host of the run, as most are.
    fn foreign_url(&self, run: &Run) -> Option<Box<str>> {
        let url = self.url.filter(|url| !url.is_none())?;
        let text = url.cast::<PyString>().ok().and_then(|url| url.to_str().ok());
        if text.is_some_and(|url| run.identity.is_own_url(url)) { None } else { Some(convert::text(url)) }
    }
}
