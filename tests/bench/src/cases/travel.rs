//! Payloads and sockets: decoding, the listener, and the whole way from MQTT to sealed files.

use tokio::runtime::Runtime;

use crate::{
    fixture::{BenchNode, NOW_MS, block_on, sealed},
    load::{Load, batch_json, single_json},
    measure::Measure,
};

/// Measures decoding alone: single readings and batches of a hundred.
pub(crate) fn decode(_runtime: &Runtime) {
    use greenpark_ingest::{Decoder, PayloadFormat};
    for (name, payload, messages, each) in [
        (
            "decode, single JSON",
            single_json as crate::load::Payload,
            2_000_000u64,
            1,
        ),
        ("decode, JSON batches of 100", batch_json, 200_000, 100),
    ] {
        let mut decoder = Decoder::new(PayloadFormat::Json);
        let mut buffer = Vec::new();
        let mut accepted = 0;
        let measure = Measure::begin(name);
        for index in 0..messages {
            buffer.clear();
            payload(&mut buffer, 1, index);
            accepted += decoder.decode(&buffer, NOW_MS).accepted;
        }
        assert_eq!(accepted, messages * each);
        measure.end(accepted);
    }
}

/// Measures QoS 1 messages of one JSON reading, which are acknowledged once the embedded log has them.
pub(crate) fn listener(runtime: &Runtime) {
    for connections in [1, 8, 64] {
        let node = BenchNode::new();
        let name = match connections {
            1 => "listener, QoS 1, 1 connection",
            8 => "listener, QoS 1, 8 connections",
            _ => "listener, QoS 1, 64 connections",
        };
        let messages = 2_000_000 / connections;
        let (address, task) = block_on(runtime, node.listen(node.log.writer()));
        let load = Load {
            address,
            connections,
            messages,
            payload: single_json,
        };
        let measure = Measure::begin(name);
        assert_eq!(load.run(), connections * messages);
        measure.end(connections * messages);
        block_on(runtime, task.stop());
    }
}

/// Measures the whole way from MQTT to sealed files, in this process.
pub(crate) fn end_to_end(runtime: &Runtime) {
    for (name, payload, connections, messages, each) in [
        (
            "MQTT to sealed, single JSON",
            single_json as crate::load::Payload,
            8,
            250_000,
            1,
        ),
        ("MQTT to sealed, batches of 100", batch_json, 8, 12_500, 100),
    ] {
        let node = BenchNode::new();
        let (address, listener) = block_on(runtime, node.listen(node.log.writer()));
        let lake = block_on(runtime, node.lake());
        let measure = Measure::begin(name);
        let processor = block_on(runtime, node.process(&lake));
        let load = Load {
            address,
            connections,
            messages,
            payload,
        };
        assert_eq!(load.run(), connections * messages);
        let readings = connections * messages * each;
        block_on(runtime, sealed(&lake, readings));
        measure.end(readings);
        block_on(runtime, async {
            listener.stop().await;
            processor.stop().await;
        });
    }
}
