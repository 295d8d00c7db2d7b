//! The methods of Python's strings and dictionaries that chat templates call.
//! Does not give access to anything else: there are no attributes to walk.

use minijinja::value::{ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::budget::{MAX_MADE, charge, charge_items, charge_whole, made, parts};

/// Answers `value.name(args)` where minijinja knows no such method.
pub(super) fn method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    args: &[Value],
) -> Result<Value, Error> {
    for value in args.iter().chain([value]) {
        charge_whole(state, value)?;
    }
    if let ("join", Some(text), Some(items)) = (name, value.as_str(), args.first()) {
        let count = items.try_iter()?.count();
        charge(state, (text.len() as u64).saturating_mul(count as u64))?;
    }
    let count = match (name, value.as_str()) {
        ("split" | "rsplit", Some(text)) => parts(text, args.first().and_then(Value::as_str)),
        ("splitlines", Some(text)) => text.lines().count(),
        ("keys" | "values", None) => value.len().unwrap_or(0),
        // A pair is a list of its own.
        ("items", None) => value.len().unwrap_or(0) * 4,
        _ => 0,
    };
    charge_items(state, count)?;
    let result = match value.kind() {
        ValueKind::String => string_method(value.as_str().unwrap_or_default(), name, args),
        ValueKind::Map => map_method(value, name, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }?;
    made(state, result)
}

fn string_method(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let set = |args: &[Value]| -> Result<Option<Vec<char>>, Error> {
        let (chars,): (Option<&str>,) = from_args(args)?;
        Ok(chars.map(|chars| chars.chars().collect()))
    };
    let stripped = |chars: Option<Vec<char>>| {
        move |c: char| chars.as_ref().map_or(c.is_whitespace(), |set| set.contains(&c))
    };
    Ok(match name {
        "strip" => text.trim_matches(stripped(set(args)?)).into(),
        "lstrip" => text.trim_start_matches(stripped(set(args)?)).into(),
        "rstrip" => text.trim_end_matches(stripped(set(args)?)).into(),
        "upper" => none(args).map(|()| text.to_uppercase().into())?,
        "lower" => none(args).map(|()| text.to_lowercase().into())?,
        "title" => none(args).map(|()| title(text).into())?,
        "capitalize" => none(args).map(|()| capitalize(text).into())?,
        "isdigit" => {
            none(args).map(|()| (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into())?
        }
        "isspace" => {
            none(args).map(|()| (!text.is_empty() && text.chars().all(char::is_whitespace)).into())?
        }
        "startswith" => any_of(args, |part| text.starts_with(part))?.into(),
        "endswith" => any_of(args, |part| text.ends_with(part))?.into(),
        "removeprefix" => one(args).map(|part| text.strip_prefix(part).unwrap_or(text).into())?,
        "removesuffix" => one(args).map(|part| text.strip_suffix(part).unwrap_or(text).into())?,
        "find" => one(args).map(|part| position(text, text.find(part)).into())?,
        "rfind" => one(args).map(|part| position(text, text.rfind(part)).into())?,
        "count" => one(args).map(|part| (text.matches(part).count() as i64).into())?,
        "replace" => {
            let (from, to, most): (&str, &str, Option<usize>) = from_args(args)?;
            bounded(text, from, to)?;
            most.map_or_else(|| text.replace(from, to), |most| text.replacen(from, to, most))
                .into()
        }
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            items
                .try_iter()?
                .map(|item| item.to_string())
                .collect::<Vec<_>>()
                .join(text)
                .into()
        }
        "split" => {
            let (separator, most): (Option<&str>, Option<i64>) = from_args(args)?;
            let most = most
                .and_then(|most| usize::try_from(most).ok())
                .map_or(usize::MAX, |most| most.saturating_add(1));
            let parts: Vec<Value> = match separator {
                Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "split: empty separator")),
                Some(separator) => text.splitn(most, separator).map(Value::from).collect(),
                None => words(text, most).into_iter().map(Value::from).collect(),
            };
            parts.into()
        }
        "rsplit" => {
            let (separator, most): (&str, Option<i64>) = from_args(args)?;
            if separator.is_empty() {
                return Err(Error::new(ErrorKind::InvalidOperation, "rsplit: empty separator"));
            }
            let most = most
                .and_then(|most| usize::try_from(most).ok())
                .map_or(usize::MAX, |most| most.saturating_add(1));
            let mut parts: Vec<Value> = text.rsplitn(most, separator).map(Value::from).collect();
            parts.reverse();
            parts.into()
        }
        "splitlines" => none(args).map(|()| text.lines().map(Value::from).collect::<Vec<_>>().into())?,
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn map_method(map: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let keys = || map.try_iter();
    Ok(match name {
        "keys" => none(args).and_then(|()| Ok(keys()?.collect::<Vec<_>>().into()))?,
        "values" => {
            none(args)?;
            keys()?
                .map(|key| map.get_item(&key))
                .collect::<Result<Vec<_>, _>>()?
                .into()
        }
        "items" => {
            none(args)?;
            let pair = |key: Value| Ok::<_, Error>(Value::from(vec![key.clone(), map.get_item(&key)?]));
            keys()?.map(pair).collect::<Result<Vec<_>, _>>()?.into()
        }
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            match map.get_item(&key)? {
                found if found.is_undefined() => default.unwrap_or(Value::from(())),
                found => found,
            }
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn none(args: &[Value]) -> Result<(), Error> {
    from_args(args)
}

fn one(args: &[Value]) -> Result<&str, Error> {
    let (part,): (&str,) = from_args(args)?;
    Ok(part)
}

/// Python takes one string or a tuple of them.
fn any_of(args: &[Value], matches: impl Fn(&str) -> bool) -> Result<bool, Error> {
    let (parts,): (Value,) = from_args(args)?;
    match parts.as_str() {
        Some(part) => Ok(matches(part)),
        None => Ok(parts.try_iter()?.any(|part| part.as_str().is_some_and(&matches))),
    }
}

/// Refuses a replacement that would write without end.
pub(super) fn bounded(text: &str, from: &str, to: &str) -> Result<(), Error> {
    let places = if from.is_empty() {
        text.chars().count() + 1
    } else {
        text.len() / from.len()
    };
    if (places as u64).saturating_mul(to.len() as u64) > MAX_MADE {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "replace: the result would be too long",
        ));
    }
    Ok(())
}

/// Python counts characters, −1 where there is none.
fn position(text: &str, at: Option<usize>) -> i64 {
    at.map_or(-1, |at| text[..at].chars().count() as i64)
}

/// `split()` without a separator: runs of whitespace part words; the last part keeps its spaces.
fn words(text: &str, most: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = if words.len() + 1 < most {
            rest.find(char::is_whitespace)
        } else {
            None
        };
        let Some(end) = end else {
            words.push(rest.trim_end());
            break;
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first
            .to_uppercase()
            .chain(chars.flat_map(char::to_lowercase))
            .collect()
    })
}

fn title(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphabetic();
    }
    out
}
