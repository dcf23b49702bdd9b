//! The entities of a crate while it is put together: each has an id, and refers to others by theirs.
//! Many of them (parameters, values, machines, artifacts) are met again and again, and added once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::provenance::TERMS;
use store::key::Digest;

pub const FORMAL_PARAMETER: &str = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE";

/// The entities so far, in the order in which they came.
#[derive(Debug, Default)]
pub struct Parts {
    entities: Vec<Value>,
    /// Places among the entities by id.
    places: BTreeMap<String, usize>,
    /// Formal parameters by id, with their examples.
    parameters: BTreeMap<String, Parameter>,
    connections: BTreeSet<String>,
}

/// A formal parameter.
#[derive(Debug)]
struct Parameter {
    /// Whose it is, which way it goes, its name.
    path: [String; 3],
    /// What stands for it: a type of file or value.
    additional_type: &'static str,
    examples: BTreeSet<String>,
}

impl Parts {
    /// Adds an entity, unless one with its id is there.
    pub fn add(&mut self, entity: Value) {
        let id = entity["@id"].as_str().unwrap_or_default().to_owned();
        let next = self.entities.len();
        if *self.places.entry(id).or_insert(next) == next {
            self.entities.push(entity);
        }
    }

    /// Adds something that the crate refers to.
    pub fn work(&mut self, id: &str, name: &str, version: &str) {
        self.add(json!({ "@id": id, "@type": "CreativeWork", "name": name, "version": version }));
    }

    /// Sets a property of an entity that is there.
    pub fn set(&mut self, id: &str, property: &str, value: Value) {
        if let Some(&place) = self.places.get(id) {
            self.entities[place][property] = value;
        }
    }

    /// Adds a file.
    pub fn artifact(&mut self, id: &str, name: &str, bytes: Option<u64>) {
        let format = media_type(name);
        self.add(json!({ "@id": id, "@type": "File", "name": name, "encodingFormat": format }));
        if let Some(bytes) = bytes {
            self.set(id, "contentSize", json!(bytes.to_string()));
        }
    }

    /// Adds a file that is an example of a formal parameter, and returns its id.
    pub fn content(
        &mut self,
        path: &[&str; 3],
        id: String,
        name: &str,
        bytes: Option<u64>,
    ) -> String {
        self.artifact(&id, name, bytes);
        self.example(path, &id, "File");
        id
    }

    /// Makes an entity an example of a formal parameter.
    pub fn example(&mut self, path: &[&str; 3], example: &str, additional_type: &'static str) {
        let parameter = self
            .parameters
            .entry(id(path))
            .or_insert_with(|| Parameter {
                path: path.map(str::to_owned),
                additional_type,
                examples: BTreeSet::new(),
            });
        parameter.examples.insert(example.to_owned());
    }

    /// Adds the value of a parameter, and returns its id; none for one that is not set.
    pub fn value(&mut self, path: &[&str; 3], value: &Value) -> Vec<String> {
        let (additional_type, value) = match value {
            Value::Null => return Vec::new(),
            Value::Bool(_) => ("Boolean", value.clone()),
            Value::Number(_) => ("Number", value.clone()),
            Value::String(_) => ("Text", value.clone()),
            // An empty list or map.
            other => ("Text", json!(other.to_string())),
        };
        let digest = Digest::of(value.to_string().as_bytes()).short();
        let id = id(&["value", path[0], path[2], &digest]);
        self.add(json!({ "@id": id, "@type": "PropertyValue", "name": path[2], "value": value }));
        self.example(path, &id, additional_type);
        vec![id]
    }

    /// Adds the connection of an output with an input, each given as kind of step and name.
    pub fn connect(&mut self, [from, output]: [&str; 2], [to, input]: [&str; 2]) -> String {
        let input = of_many(input);
        let connection = id(&["connection", from, output, to, input]);
        self.add(json!({
            "@id": connection,
            "@type": "ParameterConnection",
            "sourceParameter": link(&id(&[from, "output", output])),
            "targetParameter": link(&id(&[to, "input", input])),
        }));
        self.connections.insert(connection.clone());
        connection
    }

    /// All connections.
    pub fn connections(&self) -> impl Iterator<Item = &String> {
        self.connections.iter()
    }

    /// Adds a machine, and returns its id.
    pub fn machine(&mut self, host: &str, cpu: &str) -> String {
        let id = id(&["machine", host, &Digest::of(cpu.as_bytes()).short()]);
        let model = format!("{id}/cpu");
        self.add(json!({
            "@id": id, "@type": "Place", "name": host, "additionalProperty": link(&model),
        }));
        self.add(json!({ "@id": model, "@type": "PropertyValue", "name": "cpu", "value": cpu }));
        id
    }

    /// Adds what a step has used of something, in a unit of UN/CEFACT, and returns its id.
    pub fn usage(&mut self, step: &str, what: &str, value: Value, unit: &str) -> String {
        let id = id(&["usage", step, what]);
        self.add(json!({
            "@id": id,
            "@type": "PropertyValue",
            "name": what,
            "propertyID": format!("{TERMS}{what}"),
            "unitCode": unit,
            "value": value,
        }));
        id
    }

    /// Adds the key under which a step that was carried over was computed, and returns its id.
    pub fn origin(&mut self, step: &str, key: &str) -> String {
        let id = id(&["original-key", step]);
        self.add(json!({
            "@id": id,
            "@type": "PropertyValue",
            "name": "original key",
            "propertyID": format!("{TERMS}original-key"),
            "value": key,
        }));
        id
    }

    /// Adds the program that steps of a kind are; its parameters are filled in at the end.
    pub fn tool(&mut self, id: &str, name: &str, version: &str, kind: &str) {
        self.add(json!({
            "@id": id,
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
            "input": kind,
            "output": kind,
        }));
    }

    /// Ids of the formal parameters of a kind of step.
    pub fn parameters_of(&self, kind: &str, way: &str) -> Vec<String> {
        let own = self.parameters.iter();
        let own = own.filter(|(_, parameter)| {
            let [owner, direction, _] = &parameter.path;
            // What a step is told goes into it as well.
            let goes = direction == way || (way == "input" && direction == "parameter");
            owner == kind && goes
        });
        own.map(|(id, _)| id.clone()).collect()
    }

    /// All entities, with formal parameters and their examples referring to each other.
    pub fn into_graph(mut self) -> Vec<Value> {
        let mut works: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
        for (id, parameter) in &self.parameters {
            for example in &parameter.examples {
                works.entry(example).or_default().push(id);
            }
        }
        for (example, parameters) in works {
            if let Some(&place) = self.places.get(example) {
                self.entities[place]["exampleOfWork"] = all(parameters);
            }
        }
        for place in 0..self.entities.len() {
            for way in ["input", "output"] {
                if let Some(kind) = self.entities[place][way].as_str() {
                    let parameters = all(self.parameters_of(kind, way));
                    self.entities[place][way] = parameters;
                }
            }
        }
        let parameters = std::mem::take(&mut self.parameters);
        for (id, parameter) in parameters {
            self.add(json!({
                "@id": id,
                "@type": "FormalParameter",
                "name": parameter.path[2],
                "additionalType": parameter.additional_type,
                "conformsTo": link(FORMAL_PARAMETER),
                "workExample": all(parameter.examples),
            }));
        }
        self.entities
    }
}

/// A reference to an entity.
pub fn link(id: &str) -> Value {
    json!({ "@id": id })
}

/// References to entities; a single one stands by itself.
pub fn all(ids: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    let mut links: Vec<Value> = ids.into_iter().map(|id| link(id.as_ref())).collect();
    match links.len() {
        1 => links.remove(0),
        _ => Value::Array(links),
    }
}

/// An id within the crate, of these parts.
pub fn id(parts: &[&str]) -> String {
    let mut id = String::from("#");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            id.push('/');
        }
        for byte in part.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                    id.push(byte.into());
                }
                other => id.push_str(&format!("%{other:02X}")),
            }
        }
    }
    id
}

/// The part of an input's name that is the same for all runs (`evaluation` of
/// `evaluation/resnet20/seed0`).
pub fn of_many(input: &str) -> &str {
    input.split('/').next().unwrap_or(input)
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+@%,".contains(c);
    match word.chars().all(plain) && !word.is_empty() {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A time in ISO 8601 to the millisecond, with the offset of UTC in numbers.
pub fn iso(time: Timestamp) -> String {
    let text = format!("{time:.3}");
    format!("{}+00:00", text.trim_end_matches('Z'))
}

/// A time so many seconds later, as far as that is a time.
pub fn seconds_after(start: Timestamp, seconds: f64) -> Timestamp {
    let later = SignedDuration::try_from_secs_f64(seconds).unwrap_or_default();
    start.checked_add(later).unwrap_or(start)
}

/// The media type of a report's file, by its ending.
pub fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html",
        "svg" => "image/svg+xml",
        "md" => "text/markdown",
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "csv" => "text/csv",
        "ron" => "text/plain",
        _ => "application/octet-stream",
    }
}
