//! How to read a message: the schema, with names looked up and fields' names in JSON.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, Name, Namespace, RecordSchema};

use super::decimal::MAX_SCALE;
use super::time::Unit;
use crate::message::format::json_text;

/// The nodes of a schema.
#[derive(Debug)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// The index of a node.
pub(super) type NodeId = usize;

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Integer,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    /// Each field's `"name":` and its type.
    Record(Vec<(Vec<u8>, NodeId)>),
    /// The names, as JSON strings.
    Enum(Vec<Vec<u8>>),
    /// The size, if it is fixed, and the scale.
    Decimal(Option<usize>, usize),
    BigDecimal,
    Uuid,
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Duration,
}

impl Plan {
    /// `named` are the schemas that `schema` may name.
    pub(super) fn new(schema: &Schema, named: &[Schema]) -> Result<Self, String> {
        let known = named.iter().filter_map(|schema| Some((schema.name()?.fullname(None), schema))).collect();
        let mut builder = Builder { nodes: Vec::new(), done: HashMap::new(), known };
        let root = builder.add(schema, &None)?;
        Ok(Self { nodes: builder.nodes, root })
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
}

struct Builder<'s> {
    nodes: Vec<Node>,
    /// The named types that have a node.
    done: HashMap<String, NodeId>,
    known: HashMap<String, &'s Schema>,
}

impl Builder<'_> {
    fn add(&mut self, schema: &Schema, namespace: &Namespace) -> Result<NodeId, String> {
        let node = match schema {
            Schema::Null => Node::Null,
            Schema::Boolean => Node::Boolean,
            Schema::Int | Schema::Long => Node::Integer,
            Schema::Float => Node::Float,
            Schema::Double => Node::Double,
            Schema::Bytes => Node::Bytes,
            Schema::String => Node::String,
            Schema::Array(array) => Node::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Node::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|variant| self.add(variant, namespace));
                Node::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return self.add_record(record, namespace),
            Schema::Enum(symbols) => {
                let names = symbols.symbols.iter().map(|symbol| json_text::string(symbol)).collect();
                return Ok(self.add_named(&symbols.name, namespace, Node::Enum(names)));
            }
            Schema::Fixed(fixed) => {
                return Ok(self.add_named(&fixed.name, namespace, Node::Fixed(fixed.size)));
            }
            Schema::Decimal(decimal) => return self.add_decimal(decimal, namespace),
            Schema::BigDecimal => Node::BigDecimal,
            Schema::Uuid => Node::Uuid,
            Schema::Date => Node::Date,
            Schema::TimeMillis => Node::Time(Unit::Millis),
            Schema::TimeMicros => Node::Time(Unit::Micros),
            Schema::TimestampMillis => Node::Timestamp(Unit::Millis),
            Schema::TimestampMicros => Node::Timestamp(Unit::Micros),
            Schema::TimestampNanos => Node::Timestamp(Unit::Nanos),
            Schema::LocalTimestampMillis => Node::LocalTimestamp(Unit::Millis),
            Schema::LocalTimestampMicros => Node::LocalTimestamp(Unit::Micros),
            Schema::LocalTimestampNanos => Node::LocalTimestamp(Unit::Nanos),
            Schema::Duration => Node::Duration,
            Schema::Ref { name } => return self.find(name, namespace),
        };
        Ok(self.push(node))
    }

    /// A record may hold itself, so it has its place before its fields are looked at.
    fn add_record(&mut self, record: &RecordSchema, namespace: &Namespace) -> Result<NodeId, String> {
        let id = self.add_named(&record.name, namespace, Node::Null);
        let namespace = record.name.fully_qualified_name(namespace).namespace;
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let name = [json_text::string(&field.name).as_slice(), b":"].concat();
            fields.push((name, self.add(&field.schema, &namespace)?));
        }
        self.nodes[id] = Node::Record(fields);
        Ok(id)
    }

    fn add_decimal(&mut self, decimal: &DecimalSchema, namespace: &Namespace) -> Result<NodeId, String> {
        if decimal.scale > MAX_SCALE {
            return Err(format!("a decimal has the scale {}, more than {MAX_SCALE}", decimal.scale));
        }
        Ok(match &*decimal.inner {
            Schema::Fixed(fixed) => {
                let node = Node::Decimal(Some(fixed.size), decimal.scale);
                self.add_named(&fixed.name, namespace, node)
            }
            _ => self.push(Node::Decimal(None, decimal.scale)),
        })
    }

    fn find(&mut self, name: &Name, namespace: &Namespace) -> Result<NodeId, String> {
        let full_name = name.fullname(namespace.clone());
        match (self.done.get(&full_name), self.known.get(&full_name).copied()) {
            (Some(id), _) => Ok(*id),
            (None, Some(schema)) => self.add(schema, &None),
            (None, None) => Err(format!("the type {full_name} is not declared")),
        }
    }

    fn add_named(&mut self, name: &Name, namespace: &Namespace, node: Node) -> NodeId {
        let id = self.push(node);
        self.done.insert(name.fullname(namespace.clone()), id);
        id
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}
