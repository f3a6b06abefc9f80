//! What goes into a chunk comes out, and a chunk that was altered is refused.

use greenpark_model::log_position::Partition;
use proptest::prelude::*;

use super::*;

fn record() -> impl Strategy<Value = Record> {
    let ids = ("[a-z]{1,3}", "[a-z0-9]{1,48}", "[a-b]");
    let counts = (any::<u64>(), any::<u64>(), any::<bool>());
    (ids, counts, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(
        |((park, enterprise, gateway), (epoch, sequence, dead), payload)| Record {
            park: ParkId::new(&park).expect("an id"),
            headers: Headers {
                enterprise: EnterpriseId::new(&enterprise).expect("an id"),
                gateway: GatewayId::new(&gateway).expect("an id"),
                epoch,
                sequence,
                content_type: if dead {
                    ContentType::DeadLetter
                } else {
                    ContentType::ReadingBatch
                },
            },
            payload: payload.into(),
        },
    )
}

fn chunk_of(records: &[Record]) -> Bytes {
    let mut builder = Builder::new(Vec::new());
    for record in records {
        let bound = builder.size_with(record);
        builder.push(record);
        assert!(builder.bytes.len() + builder.senders_bytes <= bound);
    }
    builder.finish(-7, 99).into()
}

const BASE: Position = Position {
    partition: Partition::new(3),
    offset: 1_000,
};

proptest! {
    #[test]
    fn records_survive_a_chunk(records in proptest::collection::vec(record(), 1..40), skip in 0..40u64) {
        let chunk = chunk_of(&records);
        let outline = outline(&chunk).expect("a chunk");
        prop_assert_eq!(outline, Outline { bytes_before: 99, records: records.len() as u32 });
        let mut entries = Vec::new();
        decode(&chunk, BASE, BASE.offset + skip, &mut entries).expect("a chunk");
        let expected: Vec<_> = records.into_iter().enumerate().skip(skip as usize).collect();
        prop_assert_eq!(entries.len(), expected.len());
        for (entry, (index, record)) in entries.into_iter().zip(expected) {
            prop_assert_eq!(entry.position.offset, BASE.offset + index as u64);
            prop_assert_eq!(entry.appended_ms, -7);
            prop_assert_eq!(entry.record, Ok(record));
        }
    }

    #[test]
    fn an_altered_chunk_is_refused(
        records in proptest::collection::vec(record(), 1..5),
        at in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut bytes = chunk_of(&records).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(decode(&bytes.into(), BASE, 0, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_cut_chunk_is_refused(
        records in proptest::collection::vec(record(), 1..5),
        at in any::<prop::sample::Index>(),
    ) {
        let chunk = chunk_of(&records);
        let cut = chunk.slice(..at.index(chunk.len()));
        prop_assert!(decode(&cut, BASE, 0, &mut Vec::new()).is_err());
    }
}
