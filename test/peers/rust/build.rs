//! Makes code of the behaviour contract: for tonic, and for both halves of ttrpc-rust.

use std::{env, error::Error, fs, path::Path};

use prost::Message;
use ttrpc_codegen::{Codegen, Customize, ProtobufCustomize};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let contract = env::var("BEHAVIOUR_PROTO")?;
    println!("cargo::rerun-if-env-changed=BEHAVIOUR_PROTO");
    println!("cargo::rerun-if-changed={contract}");
    let text = fs::read_to_string(&contract)?;

    // The blocking half of ttrpc-rust has no streams.
    let is_stream = |line: &&str| line.contains("rpc ") && line.contains("(stream ");
    let unary: Vec<&str> = text.lines().filter(|line| !is_stream(line)).collect();
    for (folder, text, async_all) in [("blocking", unary.join("\n"), false), ("asynchronous", text, true)] {
        let folder = Path::new(&out).join(folder);
        fs::create_dir_all(&folder)?;
        let proto = folder.join("behaviour.proto");
        fs::write(&proto, text)?;
        Codegen::new()
            .out_dir(&folder)
            .input(&proto)
            .include(&folder)
            .rust_protobuf()
            .customize(Customize { async_all, ..Default::default() })
            .rust_protobuf_customize(ProtobufCustomize::default())
            .run()?;
        let file = |name: &str| folder.join(name).display().to_string();
        let modules = format!(
            "#[path = \"{}\"] pub mod behaviour;\n#[path = \"{}\"] pub mod behaviour_ttrpc;\n",
            file("behaviour.rs"),
            file("behaviour_ttrpc.rs"),
        );
        fs::write(folder.join("modules.rs"), modules)?;
    }

    // Made by buf: tonic's own compiler wants protoc.
    let descriptors = fs::read(env::var("BEHAVIOUR_DESCRIPTORS")?)?;
    println!("cargo::rerun-if-env-changed=BEHAVIOUR_DESCRIPTORS");
    let set = prost_types::FileDescriptorSet::decode(descriptors.as_slice())?;
    tonic_prost_build::configure().compile_fds(set)?;
    Ok(())
}
