//! Compiles the .proto files with protox: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "park/telemetry/v1/telemetry.proto",
        "park/query/v1/query.proto",
        "park/query/v1/dead_letters.proto",
        "park/query/v1/access.proto",
        "park/query/v1/proof.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".park.telemetry.v1.DeadLetter.payload")
        .bytes(".park.query.v1.ExtractChunk.data")
        .bytes(".park.query.v1.FolderPart.data")
        .bytes(".park.query.v1.DeadLetterEntry.payload")
        .compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
