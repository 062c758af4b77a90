//! The pages of the documentation that are made from the declarations: the lab file and its faults.

use std::fmt::Write as _;

use crate::fault::Code;
use crate::model::Lab;
use crate::policy::GRAMMAR;
use crate::read::{FieldInfo, Need, Shape, TableInfo};

/// A piece of a real lab for each table, and a real message for each fault: what to show for a name.
pub type Samples<'s> = &'s dyn Fn(&str) -> Option<String>;

const INTRODUCTION: &str = "\
# The lab file

One file, or a folder of them, says what is true of the lab; everything else follows from it. This page lists
every table and every key. `polis explain KEY` prints the same for one key, with where your lab says it, and
`polis schema` prints it for editors.

- The lab is the merge of all `*.toml` files of its folder; a single file is a lab too. The same key twice is a
  fault, in one file or in two.
- Only `[lab]` with a name and a domain is needed, and machines have an address. Nothing runs that the file does
  not say.
- Names are keys of tables, written like DNS labels: lower-case letters, digits and hyphens. Zones, machines,
  devices, routers, switches, access points and apps share one space of names.
- `on` is one machine, or an order of machines: the first serves, the next takes over. With more than one,
  `address` moves between them; they share a zone with it.
- Secrets are never values: `secret:NAME`, `env:NAME` or `file:PATH`. See [secrets](secrets.md).
- A dataset `MACHINE:POOL/PATH` is found at `/POOL/PATH` on its machine and on the guests of that machine.
- Durations are `100ms`, `30s`, `5m`, `1h30m`, `1d`, `2w`, `3 months`, `1 year`; sizes `512 MiB`, `4 TB`; rates
  `100 Mbit/s`; power `35 W`; dates stand without quotes: `2026-03-01`.
";

/// `docs/lab-file.md`.
pub fn reference_page(sample: Samples<'_>) -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Tables\n\n");
    for field in Lab::INFO.fields {
        let _ = writeln!(page, "- [`{0}`](#{0}): {1}", field.key(), first_sentence(field.doc));
    }
    for field in Lab::INFO.fields {
        let shape = (field.shape)();
        let path = match &shape {
            Shape::Map { .. } => format!("{}.NAME", field.key()),
            _ => field.key().into_owned(),
        };
        let _ = write!(page, "\n## `{}`\n\n{}\n", field.key(), one_line(field.doc));
        match &shape {
            Shape::Map { key, .. } if NEEDS_NO_EXAMPLE.contains(&key.what) => {
                page.push_str("\nOne each, by a name of your choice.\n");
            }
            Shape::Map { key, .. } => {
                let sample = key_sample(key.example);
                let _ = writeln!(page, "\nOne each, by {}: `[{}.{sample}]`.", key.what, field.key());
            }
            _ => {}
        }
        match shape.table() {
            Some(table) => table_section(&mut page, &path, table, 0),
            None => {
                let _ = writeln!(page, "\nBehind each stands {}.", inner(&shape).words());
            }
        }
        after_table(&mut page, &field.key());
        if let Some(sample) = sample(&field.key()) {
            let _ = write!(page, "\n```toml\n{}\n```\n", sample.trim_end());
        }
    }
    page
}

/// What no declaration can say.
fn after_table(page: &mut String, key: &str) {
    match key {
        "assert" => {
            page.push_str(
                "\nA sentence has one of six forms. `reach only` and `never reach` look at everything that ends \
                 in a zone, so that who may use a service in a zone reaches that zone; what is in the same zone as \
                 the one who asks is no matter of the policy. Traffic between machines of Polis itself is always \
                 allowed and not counted.\n\n```ebnf\n",
            );
            page.push_str(GRAMMAR);
            page.push_str("\n```\n");
        }
        "machines" => page.push_str(
            "\n`[clusters.NAME]` writes several machines at once: it takes the keys of a machine for all of them, and \
             `machines` with the address of each, or with a table of what is different for it.\n",
        ),
        _ => {}
    }
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentence(doc: &str) -> String {
    let doc = one_line(doc);
    match doc.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => doc,
    }
}

fn table_section(page: &mut String, path: &str, table: &'static TableInfo, depth: usize) {
    if depth == 0 && !table.fields.is_empty() {
        page.push('\n');
    }
    page.push_str("| key | is | without it | means |\n|---|---|---|---|\n");
    for field in table.fields {
        let alias = field.alias.map(|alias| format!(", `{alias}`")).unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{}`{alias} | {} | {} | {} |",
            field.key(),
            words(field),
            without(field),
            one_line(field.doc).replace('|', "\\|"),
        );
    }
    for field in table.fields {
        let shape = (field.shape)();
        if let Shape::Choice(choices) = inner(&shape) {
            let _ = write!(page, "\n`{path}.{}` is one of\n\n", field.key());
            for choice in *choices {
                let _ = writeln!(page, "- `\"{}\"`: {}", choice.word, one_line(choice.doc));
            }
        }
        if let Some(own) = shape.table() {
            let name = if matches!(shape, Shape::Map { .. }) { ".NAME" } else { "" };
            let path = format!("{path}.{}{name}", field.key());
            let _ = write!(page, "\n### `{path}`\n\n{}\n\n", one_line(own.doc));
            table_section(page, &path, own, depth + 1);
        }
    }
}

fn inner(shape: &Shape) -> &Shape {
    match shape {
        Shape::List(shape) | Shape::OneOrMany(shape) => inner(shape),
        Shape::Map { value, .. } => inner(value),
        shape => shape,
    }
}

/// What everyone knows without one.
const NEEDS_NO_EXAMPLE: [&str; 2] = ["a line of text", "a name"];

/// A key as it stands in a header.
fn key_sample(example: &str) -> String {
    let bare = example.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { example.to_owned() } else { format!("\"{example}\"") }
}

fn words(field: &'static FieldInfo) -> String {
    let shape = (field.shape)();
    match inner(&shape) {
        Shape::Choice(_) => "a word, see below".to_owned(),
        Shape::Text(info) if !NEEDS_NO_EXAMPLE.contains(&info.what) => {
            format!("{}, such as `\"{}\"`", shape.words(), info.example.replace('|', "\\|"))
        }
        _ => shape.words().replace('|', "\\|"),
    }
}

fn without(field: &'static FieldInfo) -> String {
    match field.need {
        Need::Required => "**needed**".to_owned(),
        Need::Optional(otherwise) => otherwise.to_owned(),
        Need::Default(value) => match value().inline() {
            empty if empty == "{}" || empty == "[]" => "none".to_owned(),
            value => format!("`{value}`"),
        },
    }
}

/// `docs/faults.md`.
pub fn faults_page(sample: Samples<'_>) -> String {
    let mut page = String::from(
        "# Faults\n\nEvery fault that `polis check` can find, by the name in its square brackets. An **error** means \
         that the file contradicts itself or can not be carried out: it is refused, and a machine that runs goes on \
         with the file it has. A **warning** means that it can be carried out, and that you may come to regret it.\n",
    );
    for code in Code::ALL {
        let _ = write!(
            page,
            "\n## `{}`\n\n{}: {}\n",
            code.slug(),
            capital(code.severity().word()),
            one_line(code.meaning())
        );
        if let Some(sample) = sample(code.slug()) {
            let _ = write!(page, "\n```text\n{}\n```\n", sample.trim_end());
        }
    }
    page
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
