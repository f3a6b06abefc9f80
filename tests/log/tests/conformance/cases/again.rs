//! One record by its offset, and a partition from an earlier offset on.

use super::*;

pub(crate) async fn a_record_is_found_by_its_offset(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    let mut reader = subject.reader("g");
    let entries = drain(&mut reader, 10).await;
    commit_all(&mut reader, &entries[..6]).await;
    let Position { partition, offset } = entries[3].position;
    let found = reader.find(partition, offset).await.expect("an answer");
    let found = found.expect("the record");
    assert_eq!(found.fingerprint(), entries[3].fingerprint());
    assert_ne!(found.fingerprint(), entries[4].fingerprint());
    let end = entries[9].position.offset + 1;
    let none = reader.find(partition, end).await.expect("an answer");
    assert!(none.is_none(), "{none:?}");
    // Nothing is handed out again.
    append(subject, vec![record("park-1", 10, 50)]).await;
    assert_eq!(sequences(&drain(&mut reader, 1).await, "park-1"), [10]);
}

pub(crate) async fn a_partition_is_read_again_from_where_it_is_asked_for(subject: &Subject) {
    append(subject, (0..10).map(|n| record("park-1", n, 50)).collect()).await;
    let mut reader = subject.reader("g");
    let entries = drain(&mut reader, 10).await;
    commit_all(&mut reader, &entries).await;
    let Position { partition, offset } = entries[4].position;
    reader.rewind(partition, offset);
    append(subject, vec![record("park-1", 10, 50)]).await;
    let again = drain(&mut reader, 7).await;
    assert_eq!(sequences(&again, "park-1"), [4, 5, 6, 7, 8, 9, 10]);
    drop(reader);
    let rest = drain(&mut subject.reader("g"), 1).await;
    assert_eq!(sequences(&rest, "park-1"), [10], "the group stays");
}
