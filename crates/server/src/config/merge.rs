//! JSON merge patch (RFC 7396): what of a document is to be another.

use serde_json::Value;

/// Changes `target` as the patch says (RFC 7396 2): members of objects are put together, null takes one away, anything else
/// takes the place of what is there.
pub(crate) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(old) = target else { return };
    for (key, value) in members {
        match value {
            Value::Null => drop(old.remove(key)),
            value => apply(old.entry(key.as_str()).or_insert(Value::Null), value),
        }
    }
}

/// Takes out objects in which there is nothing.
pub(crate) fn prune(value: &mut Value) {
    let Value::Object(members) = value else { return };
    members.values_mut().for_each(prune);
    members.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
}

/// The names of the settings in a document, as `listeners.rtmp.port`.
pub(crate) fn names(document: &Value) -> Vec<String> {
    match document {
        Value::Object(members) => {
            let of = |(key, value): (&String, &Value)| -> Vec<String> {
                let below = names(value);
                below
                    .into_iter()
                    .map(|name| if name.is_empty() { key.clone() } else { format!("{key}.{name}") })
                    .collect()
            };
            members.iter().flat_map(of).collect()
        }
        Value::Null => Vec::new(),
        _ => vec![String::new()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        // RFC 7396, appendix A.
        for (mut target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            apply(&mut target, &patch);
            assert_eq!(target, result, "{patch}");
        }
    }

    #[test]
    fn what_holds_nothing_goes() {
        let mut value = json!({"a": {"b": {}, "c": {"d": 1}}, "e": {"f": {}}});
        prune(&mut value);
        assert_eq!(value, json!({"a": {"c": {"d": 1}}}));
    }
}
