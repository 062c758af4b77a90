//! A JSON schema (draft 7) of one file of a lab: what editors check TOML files against.

use serde_json::{Map, Value as Json, json};

use crate::model::{Lab, Machine};
use crate::read::{FieldInfo, Need, Shape, TableInfo};

/// The schema. A lab may be spread over several files, so that no table is required in any one of them.
pub fn json_schema() -> Json {
    let mut root = table_schema(Lab::INFO, Requires::Nothing);
    if let Some(properties) = root.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert("clusters".to_owned(), clusters());
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("The lab file of Polis"));
    if let Json::Object(root) = root {
        schema.extend(root);
    }
    Json::Object(schema)
}

#[derive(Clone, Copy, PartialEq)]
enum Requires {
    Nothing,
    What,
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn table_schema(table: &'static TableInfo, requires: Requires) -> Json {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in table.fields {
        let schema = field_schema(field);
        if let Some(alias) = field.alias {
            properties.insert(alias.to_owned(), schema.clone());
        }
        properties.insert(field.key().into_owned(), schema);
        if matches!(field.need, Need::Required) && requires == Requires::What {
            required.push(json!(field.key()));
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": one_line(table.doc),
        "properties": properties,
        "additionalProperties": false,
    });
    if let (false, Some(object)) = (required.is_empty(), schema.as_object_mut()) {
        object.insert("required".to_owned(), Json::Array(required));
    }
    schema
}

fn field_schema(field: &'static FieldInfo) -> Json {
    let mut schema = shape_schema(&(field.shape)());
    if let Some(object) = schema.as_object_mut() {
        let without = match field.need {
            Need::Required => String::new(),
            Need::Optional(otherwise) => format!(" Without it: {otherwise}."),
            Need::Default(value) => match value().inline() {
                empty if empty == "{}" || empty == "[]" => String::new(),
                value => format!(" Without it: {value}."),
            },
        };
        object.insert("description".to_owned(), json!(format!("{}{without}", one_line(field.doc))));
    }
    schema
}

fn shape_schema(shape: &Shape) -> Json {
    match shape {
        Shape::Text(info) => match info.pattern {
            Some(pattern) => json!({ "type": "string", "pattern": pattern, "examples": [info.example] }),
            None => json!({ "type": "string", "examples": [info.example] }),
        },
        Shape::Choice(choices) => {
            json!({ "enum": choices.iter().map(|choice| choice.word).collect::<Vec<_>>() })
        }
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Date => json!({ "type": "string", "format": "date" }),
        Shape::Name(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::List(inner) => json!({ "type": "array", "items": shape_schema(inner) }),
        Shape::OneOrMany(inner) => {
            let one = shape_schema(inner);
            json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
        }
        Shape::Map { key, value } => {
            let mut schema = json!({ "type": "object", "additionalProperties": shape_schema(value) });
            if let (Some(pattern), Some(object)) = (key.pattern, schema.as_object_mut()) {
                object.insert("propertyNames".to_owned(), json!({ "pattern": pattern }));
            }
            schema
        }
        Shape::Table(table) => table_schema(table, Requires::What),
        Shape::Short(table, short) => {
            json!({ "anyOf": [shape_schema(short), table_schema(table, Requires::What)] })
        }
    }
}

/// `[clusters.NAME]`: the keys of a machine, and its machines by name, each an address or a table.
fn clusters() -> Json {
    let machine = table_schema(Machine::INFO, Requires::Nothing);
    let address = Machine::INFO.field("address").map_or(json!({}), |field| shape_schema(&(field.shape)()));
    let mut cluster = machine.clone();
    if let Some(properties) = cluster.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert(
            "machines".to_owned(),
            json!({
                "type": "object",
                "description": "Its machines: the address of each, or a table of what is different for it.",
                "additionalProperties": { "anyOf": [address, machine] },
            }),
        );
    }
    if let Some(object) = cluster.as_object_mut() {
        object.insert("required".to_owned(), json!(["machines"]));
        object.insert("description".to_owned(), json!("Several machines that share most of their keys."));
    }
    json!({
        "type": "object",
        "description": "Several machines at once: the keys of a machine, and their names in `machines`.",
        "additionalProperties": cluster,
    })
}
