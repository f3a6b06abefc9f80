//! What every log promises, as one suite over the log in memory, the embedded log and Kafka. The cases stand in `tests/`.
