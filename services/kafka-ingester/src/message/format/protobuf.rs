//! Protobuf by a schema of a registry, as JSON text.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::input::Input;
use crate::message::bad_message::BadMessage;

/// A file of Protobuf, with what it imports.
#[derive(Debug)]
pub struct ProtobufSchema(FileDescriptor);

impl ProtobufSchema {
    /// `references` are the names and texts of the files that it imports.
    pub(super) fn parse(text: &str, references: &[(String, String)]) -> Result<Self, String> {
        let root = read_file(ROOT, text)?;
        let name = root.name().to_owned();
        let imported = references.iter().map(|(name, text)| Ok((name.clone(), read_file(name, text)?)));
        let mut files: HashMap<String, File> = imported.collect::<Result<_, String>>()?;
        files.insert(name.clone(), root);
        let mut resolver = ChainFileResolver::new();
        resolver.add(Files(files));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.open_file(&name).map_err(|error| error.to_string())?;
        let file = compiler.descriptor_pool().get_file_by_name(&name);
        file.map(Self).ok_or_else(|| "it is no file of Protobuf".to_owned())
    }

    /// The JSON text of a payload: the indexes of its message in the file, then the message.
    pub(super) fn to_json(&self, payload: &[u8]) -> Result<Vec<u8>, BadMessage> {
        let mut input = Input(payload);
        let descriptor = self.message_type(&mut input).map_err(BadMessage::NotProtobuf)?;
        let message = DynamicMessage::decode(descriptor, input.0);
        let message = message.map_err(|error| BadMessage::NotProtobuf(error.to_string()))?;
        let mut out = Vec::with_capacity(payload.len() * 4);
        // A field of proto3 that has its default value is not in the message, but its Redis field must change.
        let options = SerializeOptions::new()
            .skip_default_fields(false)
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true);
        let mut serializer = serde_json::Serializer::new(&mut out);
        let written = message.serialize_with_options(&mut serializer, &options);
        written.map_err(|error| BadMessage::NotProtobuf(error.to_string()))?;
        Ok(out)
    }

    /// The indexes are those of the message and of the messages inside which it is declared. A single 0 stands for the
    /// file's first message.
    fn message_type(&self, input: &mut Input<'_>) -> Result<MessageDescriptor, String> {
        let count = input.zigzag()?;
        let mut next = || input.zigzag().map(|index| usize::try_from(index).unwrap_or(usize::MAX));
        let first = if count == 0 { 0 } else { next()? };
        let missing = || "the schema does not have the message that the indexes lead to".to_owned();
        let mut message = self.0.messages().nth(first).ok_or_else(missing)?;
        for _ in 1..count {
            let inner = message.child_messages().nth(next()?);
            message = inner.ok_or_else(missing)?;
        }
        Ok(message)
    }
}

/// A file as text, or as a descriptor in base64: Confluent's client for Python registers these, and some registries return
/// what they were sent.
fn read_file(name: &str, text: &str) -> Result<File, String> {
    let descriptor = STANDARD.decode(text).ok();
    match descriptor.and_then(|bytes| File::decode_file_descriptor_proto(bytes.as_slice()).ok()) {
        Some(file) => Ok(file),
        None => File::from_source(name, text).map_err(|error| error.to_string()),
    }
}

struct Files(HashMap<String, File>);

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        self.0.get(name).cloned().ok_or_else(|| protox::Error::file_not_found(name))
    }
}

/// The name of a file of which the registry has only the text.
const ROOT: &str = "schema.proto";
