//! The service as its clients see it: a lake in a temporary folder, files published into it as the
//! processor does, and real gRPC clients over TCP.

mod assessment;
mod assessment_ledger;
mod books;
mod by_hand;
mod corrections;
mod declared;
mod energy;
mod extracts;
mod figures;
mod fixture;
mod kept;
mod kinds;
mod latency;
mod letters;
mod letters_counted;
mod limits;
mod materials;
mod materials_doubts;
mod past;
mod progress;
mod quality;
mod registers;
mod registry;
mod rollups;
mod sides;
mod sound_years;
mod soundness;
mod soundness_late;
mod soundness_terms;
mod statements;
mod strangers;
mod withdrawals;
