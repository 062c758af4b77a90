//! The shape of the lab file for editors and readers: a JSON schema and a reference, made from the same
//! declarations that the reader is made from.

mod json;
mod reference;

pub use json::json_schema;
pub use reference::{Samples, faults_page, reference_page};
