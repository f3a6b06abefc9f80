//! The formats of other platforms, whose fields a rule maps to readings.

mod influx;
mod mapped;
pub(crate) mod mapping;
mod neuron;
mod pointer;
mod sink;
pub(crate) mod sparkplug;
mod telegraf;
pub(crate) mod template;
mod thingsboard;

pub(super) use self::sink::Sink;
use super::{Fault, TopicDecoder, not_text, text};
use crate::settings::PayloadFormat;

/// Decodes `payload` into `sink`; an error refuses the payload as a whole.
pub(super) fn decode(
    decoder: &TopicDecoder,
    payload: &[u8],
    sink: &mut Sink<'_>,
) -> Result<(), Fault> {
    if decoder.format == PayloadFormat::Sparkplug {
        return sparkplug::decode(payload, decoder, sink);
    }
    let what = match decoder.format {
        PayloadFormat::Influx => "line protocol",
        _ => "JSON",
    };
    let text = text::read(payload, decoder.encoding);
    let text = text.map_err(|reason| not_text(what, &reason))?;
    let decoded = match decoder.format {
        PayloadFormat::Thingsboard => thingsboard::device(&text, sink),
        PayloadFormat::ThingsboardGateway => thingsboard::gateway(&text, sink),
        PayloadFormat::NeuronValues => neuron::values(&text, sink),
        PayloadFormat::NeuronTags | PayloadFormat::NeuronEcp => neuron::tags(&text, sink),
        PayloadFormat::Influx => influx::decode(&text, sink),
        PayloadFormat::Telegraf => telegraf::decode(&text, sink),
        _ => mapped::decode(&text, sink),
    };
    decoded.map_err(Fault::from)
}
