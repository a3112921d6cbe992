//! Compares a JSON value with the published schema, so that all structural problems are found at once.
//!
//! Only the words that the generated schema uses are known: `$ref`, `type`, `const`, `enum`, `oneOf`,
//! `anyOf`, `properties`, `required`, `additionalProperties: false`. Patterns are left to the rules of
//! each field, which give better reasons.

use serde_json::Value;

use super::{Fault, Found};

/// Appends every structural problem of `value`.
pub(super) fn check(schema: &Value, value: &Value, found: &mut Found) {
    Walk { root: schema }.node(schema, value, "", found);
}

struct Walk<'a> {
    root: &'a Value,
}

impl<'a> Walk<'a> {
    fn node(&self, schema: &'a Value, value: &Value, path: &str, found: &mut Found) {
        let schema = self.resolve(schema);
        if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(branches, value, path, found);
        }
        if !fits(schema, value) {
            return found.push((path.to_owned(), Fault::Shape { expected: expectation(schema) }));
        }
        if let (Some(properties), Value::Object(fields)) = (schema.get("properties"), value) {
            for name in fields.keys().filter(|name| properties.get(name).is_none()) {
                found.push((join(path, name), Fault::Unknown));
            }
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            for name in required.filter_map(Value::as_str).filter(|name| !fields.contains_key(*name)) {
                found.push((join(path, name), Fault::Missing));
            }
            for (name, field) in fields {
                if let Some(property) = properties.get(name) {
                    self.node(property, field, &join(path, name), found);
                }
            }
        }
    }

    /// An optional object: null, or the problems of the object.
    fn any_of(&self, branches: &'a [Value], value: &Value, path: &str, found: &mut Found) {
        let mut fewest: Option<Found> = None;
        for branch in branches {
            let mut problems = Found::new();
            self.node(branch, value, path, &mut problems);
            // A branch of the right type tells more than "must be null".
            let same_type = fits(self.resolve(branch), value);
            if problems.is_empty() {
                return;
            }
            if same_type || fewest.is_none() {
                fewest = Some(problems);
            }
        }
        found.extend(fewest.into_iter().flatten());
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

fn join(path: &str, name: &str) -> String {
    // A hostile file may have field names of any length and content.
    let name: String = name.chars().take(40).filter(|c| c.is_ascii_graphic()).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

fn fits(schema: &Value, value: &Value) -> bool {
    let typed = match schema.get("type") {
        Some(Value::String(name)) => is_type(name, value),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(|name| is_type(name, value)),
        _ => true,
    };
    let worded = words(schema).is_none_or(|words| words.contains(&value));
    typed && worded
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "number" | "integer" => value.is_number(),
        _ => false,
    }
}

/// The fixed words a schema allows: `const`, `enum`, or `oneOf` over constants.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word]);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Some(words.iter().collect());
    }
    let branches = schema.get("oneOf").and_then(Value::as_array)?;
    Some(branches.iter().filter_map(|branch| branch.get("const")).collect())
}

fn expectation(schema: &Value) -> String {
    if let Some(words) = words(schema) {
        let list: Vec<&str> = words.iter().filter_map(|word| word.as_str()).collect();
        return format!("one of {}", list.join(", "));
    }
    match schema.get("type") {
        Some(Value::String(name)) => format!("a JSON {name}"),
        Some(Value::Array(names)) => {
            let first = names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("value");
            format!("a JSON {first}")
        }
        _ => "another value".to_owned(),
    }
}
