//! Tables whose keys are names, and values that may be one or several.

use std::collections::BTreeMap;

use super::{At, Reader, Shape, TextInfo, Value};
use crate::fault::{Code, Fault};
use crate::print::Toml;
use crate::source::Span;
use crate::tree::Node;

/// A key that the owner chooses.
pub(crate) trait MapKey: Ord + Sized {
    /// What it is.
    const INFO: TextInfo;

    fn read_key(key: &str, span: Span, reader: &mut Reader) -> Option<Self>;

    fn to_key(&self) -> String;
}

/// Things by their names, in the order of the names. The place of each is its key if it is a table, else its
/// value.
#[derive(Clone, Debug, PartialEq)]
pub struct Map<K: Ord, V>(BTreeMap<K, At<V>>);

impl<K: Ord, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    /// The thing of that name.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&At<V>>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The name itself, as the map has it.
    pub(crate) fn key<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&K>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.get_key_value(key).map(|(key, _)| key)
    }

    /// Whether there is one of that name.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// All of them.
    pub fn iter(&self) -> std::collections::btree_map::Iter<'_, K, At<V>> {
        self.0.iter()
    }

    /// Their names.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'m, K: Ord, V> IntoIterator for &'m Map<K, V> {
    type Item = (&'m K, &'m At<V>);
    type IntoIter = std::collections::btree_map::Iter<'m, K, At<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'m, K: Ord, V> IntoIterator for &'m At<Map<K, V>> {
    type Item = (&'m K, &'m At<V>);
    type IntoIter = std::collections::btree_map::Iter<'m, K, At<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: MapKey, V: Value> Value for Map<K, V> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(table) = node.table() else {
            reader.wrong_kind(node, "a table", &format!("{{ {} = … }}", K::INFO.example));
            return None;
        };
        let mut map = BTreeMap::new();
        for (name, entry) in &table.entries {
            let key = K::read_key(name, entry.key, reader);
            let value = V::read(&entry.node, reader);
            match (key, value) {
                (Some(key), Some(value)) => {
                    let is_table = entry.node.table().is_some();
                    map.insert(key, At::written(value, if is_table { entry.key } else { entry.node.span }));
                }
                _ => {
                    reader.broken.insert(node.span);
                }
            }
            if reader.broken.contains(&entry.node.span) {
                reader.broken.insert(entry.key);
            }
        }
        Some(Self(map))
    }

    fn print(&self) -> Toml {
        Toml::Table(self.0.iter().map(|(key, value)| (key.to_key(), value.print())).collect())
    }

    fn shape() -> Shape {
        Shape::Map { key: K::INFO, value: Box::new(V::shape()) }
    }
}

impl<V: Value> Value for Vec<At<V>> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(nodes) = node.list() else {
            let own = node.text().map_or("…".to_owned(), |text| format!("{text:?}"));
            reader.wrong_kind(node, "a list", &format!("[{own}]"));
            return None;
        };
        Some(read_list(node.span, nodes, reader))
    }

    fn print(&self) -> Toml {
        Toml::List(self.iter().map(|value| value.print()).collect())
    }

    fn shape() -> Shape {
        Shape::List(Box::new(V::shape()))
    }

    fn stand_in() -> Option<Self> {
        Some(Self::new())
    }
}

fn read_list<V: Value>(list: Span, nodes: &[Node], reader: &mut Reader) -> Vec<At<V>> {
    let values: Vec<At<V>> =
        nodes.iter().filter_map(|node| Some(At::written(V::read(node, reader)?, node.span))).collect();
    if values.len() < nodes.len() {
        reader.broken.insert(list);
    }
    values
}

/// One value, or a list of them: `on = "naxos"`, `on = ["naxos", "anafi"]`. Empty only where it stands in for what
/// could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<V>(Vec<At<V>>);

impl<V> std::ops::Deref for OneOrMany<V> {
    type Target = [At<V>];

    fn deref(&self) -> &[At<V>] {
        &self.0
    }
}

impl<V: Value> Value for OneOrMany<V> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let values = match node.list() {
            Some([]) => {
                reader.fault(
                    Fault::new(Code::WrongKind, node.span, "this list is empty").label("write at least one"),
                );
                return None;
            }
            Some(nodes) => read_list(node.span, nodes, reader),
            None => vec![At::written(V::read(node, reader)?, node.span)],
        };
        (!values.is_empty()).then_some(Self(values))
    }

    fn print(&self) -> Toml {
        match &*self.0 {
            [one] => one.print(),
            many => Toml::List(many.iter().map(|value| value.print()).collect()),
        }
    }

    fn shape() -> Shape {
        Shape::OneOrMany(Box::new(V::shape()))
    }

    fn stand_in() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

/// Makes texts of a certain form into keys that the owner chooses.
macro_rules! text_keys {
    ($($type:ty),+ $(,)?) => { $(
        impl $crate::read::MapKey for $type {
            const INFO: $crate::read::TextInfo = <$type as $crate::read::FromText>::INFO;

            fn read_key(key: &str, span: $crate::source::Span, reader: &mut $crate::read::Reader) -> Option<Self> {
                $crate::read::read_text_key(key, span, reader)
            }

            fn to_key(&self) -> String {
                $crate::read::FromText::to_text(self)
            }
        }
    )+ };
}
pub(crate) use text_keys;
