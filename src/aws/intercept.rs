//! Interceptors of all calls: they count the bytes of requests, and refuse responses that are not from AWS.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::response::{Protocol, Response};
use crate::accounting::counters::Counters;

impl<'a> From<&'a HttpResponse> for Response<'a> {
    fn from(response: &'a HttpResponse) -> Self {
        Self::new(response.status().as_u16(), response.body().bytes(), |name| response.headers().get(name))
    }
}

/// Checks the responses of a client's calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckResponse(pub(super) Protocol);

#[dyn_dispatch_hint]
impl Intercept for CheckResponse {
    fn name(&self) -> &'static str {
        "CheckResponse"
    }

    // The SDK reads the body only when it parses it.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Errors of the service have an error status. A success that the SDK cannot parse is also checked.
        if !context.response().status().is_success() {
            return Ok(());
        }
        let operation = config.load::<Metadata>().map_or("", Metadata::name);
        Ok(Response::from(context.response()).check(self.0, operation)?)
    }
}

/// Counts the bytes of request bodies as they are sent.
#[derive(Debug, Clone)]
pub(super) struct CountBytes {
    pub(super) counters: Arc<Counters>,
}

#[dyn_dispatch_hint]
impl Intercept for CountBytes {
    fn name(&self) -> &'static str {
        "CountBytes"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.counters.bytes_sent.add(context.request().body().content_length().unwrap_or_default());
        Ok(())
    }
}
