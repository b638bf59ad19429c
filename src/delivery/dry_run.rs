//! `--cw-dry-run`: accepts every call, sends nothing, and counts the bytes that the AWS SDK would send.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use minicbor::Encoder;
use minicbor::data::IanaTag;

use crate::accounting::counters::Counters;
use crate::delivery::client::{CloudWatch, RejectedLogEvents};
use crate::delivery::error::CallError;
use crate::logs::event::LogBatch;
use crate::metrics::datum::{Body, Datum};

/// The SDK compresses bodies of `PutMetricData` from this size on (`CompressionOptions` of the crate aws-smithy-compression). It
/// does not compress those of `PutLogEvents`.
const MIN_COMPRESSED_BYTES: usize = 10_240;
/// The level at which it compresses them.
const COMPRESSION: Compression = Compression::new(6);

/// Accepts every call and sends nothing.
pub struct DryRun {
    /// Counts the bytes.
    pub counters: Arc<Counters>,
}

impl CloudWatch for DryRun {
    async fn put_metric_data(&self, namespace: &str, datums: Vec<Datum>) -> Result<(), CallError> {
        self.counters.bytes_sent.add_len(sent_bytes(&metrics_body(namespace, &datums)));
        Ok(())
    }

    async fn put_log_events(&self, group: &str, stream: &str, batch: LogBatch) -> Result<RejectedLogEvents, CallError> {
        self.counters.bytes_sent.add_len(batch.into_request(group, stream).len());
        Ok(RejectedLogEvents::default())
    }

    async fn create_log_stream(&self, _group: &str, _stream: &str) -> Result<Option<CallError>, CallError> {
        Ok(None)
    }
}

/// The size of a body of `PutMetricData` as it is sent.
fn sent_bytes(body: &[u8]) -> usize {
    if body.len() < MIN_COMPRESSED_BYTES {
        return body.len();
    }
    // Compression into memory cannot fail.
    compressed(body).map_or(body.len(), |compressed| compressed.len())
}

fn compressed(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), COMPRESSION);
    encoder.write_all(body)?;
    encoder.finish()
}

type Encoded = Result<(), minicbor::encode::Error<Infallible>>;

/// The body of `PutMetricData`, byte by byte as the SDK serializes it (Smithy RPC v2 CBOR).
fn metrics_body(namespace: &str, datums: &[Datum]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Encoding into memory cannot fail.
    let _: Encoded = encode_request(&mut encoder, namespace, datums);
    encoder.into_writer()
}

fn encode_request(encoder: &mut Encoder<Vec<u8>>, namespace: &str, datums: &[Datum]) -> Encoded {
    encoder.begin_map()?.str("Namespace")?.str(namespace)?.str("MetricData")?.array(datums.len() as u64)?;
    datums.iter().try_for_each(|datum| encode_datum(encoder, datum))?;
    encoder.end()?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "as the SDK converts them")]
fn encode_datum(encoder: &mut Encoder<Vec<u8>>, datum: &Datum) -> Encoded {
    let dimensions = &datum.key.dimensions;
    encoder.begin_map()?.str("MetricName")?.str(&datum.key.metric)?;
    encoder.str("Dimensions")?.array(dimensions.len() as u64)?;
    for dimension in dimensions.iter() {
        encoder.begin_map()?.str("Name")?.str(&dimension.name)?.str("Value")?.str(&dimension.value)?.end()?;
    }
    encoder.str("Timestamp")?.tag(IanaTag::Timestamp)?.f64(datum.key.timestamp as f64)?;
    match &datum.body {
        Body::Total(total) => {
            encoder.str("Value")?.f64(*total)?;
        }
        Body::Points(points) => {
            encoder.str("Values")?.array(points.len() as u64)?;
            points.iter().try_for_each(|point| encoder.f64(point.value).map(drop))?;
            encoder.str("Counts")?.array(points.len() as u64)?;
            points.iter().try_for_each(|point| encoder.f64(point.count as f64).map(drop))?;
        }
    }
    encoder.str("Unit")?.str(datum.key.unit.as_str())?;
    encoder.str("StorageResolution")?.u32(datum.resolution)?.end()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::datum::tests::key;
    use crate::metrics::datum::{REQUEST_COUNT, RESPONSE_TIME};
    use crate::sample::Point;

    fn datums(values: &[f64]) -> [Datum; 2] {
        let points = values.iter().map(|&value| Point { value, count: 3 }).collect();
        [(REQUEST_COUNT, Body::Total(7.0)), (RESPONSE_TIME, Body::Points(points))].map(|(metric, body)| Datum {
            key: key(metric, "/checkout"),
            resolution: 1,
            body,
        })
    }

    #[test]
    fn a_body_of_ten_kilobytes_is_compressed() {
        for (bytes, is_compressed) in [(MIN_COMPRESSED_BYTES - 1, false), (MIN_COMPRESSED_BYTES, true)] {
            assert_eq!(sent_bytes(&vec![b'a'; bytes]) < bytes, is_compressed);
        }
    }

    proptest! {
        #[test]
        fn a_body_is_one_cbor_value_and_no_larger_than_its_datums_claim(
            values in prop::collection::vec(0.0..1e9f64, 1..150), number in 1..10usize,
        ) {
            let datums: Vec<_> = (0..number).flat_map(|_| datums(&values)).collect();
            let body = metrics_body("Shop", &datums);
            let mut decoder = minicbor::Decoder::new(&body);
            decoder.skip().expect("CBOR");
            prop_assert_eq!(decoder.position(), body.len());
            let framing = metrics_body("Shop", &[]).len() + size_of::<u64>();
            prop_assert!(body.len() <= framing + datums.iter().map(Datum::wire_bytes).sum::<usize>());
        }
    }
}
