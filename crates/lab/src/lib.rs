//! The lab file: its text, its model, every fault that a person can make in it, and what follows from it.
//!
//! Pure: reading the lab folder ([`Folder`]) is the only input, and everything that comes out is data.
//! [`check`] is the whole of it; the same folder and the same date always give the same answer.
//!
//! ```
//! let text = "[lab]\nname = \"home\"\ndomain = \"lab.example.net\"\n[machines.naxos]\naddress = \"10.0.0.2\"\n";
//! let checked = lab::check(lab::Folder::from_texts([("lab.toml", text)]), &lab::Options::at("2026-11-23"));
//! assert!(checked.faults.is_empty());
//! assert!(checked.lab.unwrap().machines.contains("naxos"));
//! ```

pub mod begin;
mod check;
mod clusters;
mod compose;
mod coverage;
mod demo;
mod explain;
mod fault;
mod follow;
pub mod model;
pub mod names;
pub mod naming;
pub mod policy;
pub mod print;
pub mod read;
mod schema;
mod source;
mod tree;
pub mod value;

pub use check::{
    Checked, DnsWords, Options, SecretUse, check, counted, recipients, recipients_path, secret_path,
    secret_uses, summary,
};
pub use compose::{Access, Compose, Mount, MountSource, Published, Service};
pub use coverage::{Column, Covered, Row, coverage, coverage_json, coverage_text};
pub use demo::{Demo, Ports};
pub use explain::{NothingThere, explain_app, explain_key, explain_machine, explain_name, explain_zones};
pub use fault::{
    Code, Fault, Faults, Place, Severity, Style, mask_secrets, nearest, render_json, render_text,
};
pub use follow::*;
pub use model::Lab;
pub use schema::{Samples, faults_page, json_schema, reference_page};
pub use source::{File, FileId, Folder, OpenError, Position, Span, Stamp};
