//! What one rendering may make: every string, list and comparison is charged before it is made.
//! Does not count instructions: minijinja's fuel does.

use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{DynObject, Object, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

/// Bytes that one rendering may make, its prompt included, elements of lists at what `ITEM` says: four times the longest
/// prompt, and well under a second of work.
pub(super) const MAX_MADE: u64 = 16 << 20;

/// Elements of a list that a template puts together: a conversation has a few per message.
pub(super) const MAX_ITEMS: u64 = 1 << 16;

/// What an element of a new list costs, and what looking at one value costs, in bytes: less than it takes, so that lists
/// which grow with the conversation fit, and enough that no list takes much more memory or time than a string would.
const ITEM: u64 = 8;
const LOOK: u64 = 4;

/// Values inside values: printing, comparing and dropping descend into them.
pub(super) const MAX_NESTING: u32 = 48;

pub(super) const ADD: &str = "$add";
pub(super) const CONCAT: &str = "$concat";
pub(super) const MULTIPLY: &str = "$multiply";
pub(super) const CONTAINS: &str = "$contains";
pub(super) const FILTER: &str = "$filter";
pub(super) const MADE: &str = "$made";
pub(super) const COUNTED: &str = "$counted";
pub(super) const SLICED: &str = "$sliced";
pub(super) const LOOKED_AT: &str = "$looked_at";
pub(super) const STORED: &str = "$stored";
pub(super) const STORED_INSIDE: &str = "$stored_inside";

/// The name under which a rendering's own budget is found; no template can write it.
pub(super) const NAME: &str = "$budget";

/// What is left of a rendering's budget.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

impl Budget {
    pub(super) fn full() -> Value {
        Value::from_object(Budget(AtomicU64::new(MAX_MADE)))
    }
}

impl Object for Budget {}

/// Puts what makes values under the budget.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(ADD, add);
    environment.add_filter(CONCAT, concat);
    environment.add_filter(MULTIPLY, multiply);
    environment.add_filter(CONTAINS, contains);
    environment.add_filter(FILTER, filter);
    environment.add_filter(MADE, made);
    environment.add_filter(COUNTED, counted);
    environment.add_filter(SLICED, sliced);
    environment.add_filter(LOOKED_AT, looked_at);
    environment.add_filter(STORED, stored);
    environment.add_filter(STORED_INSIDE, stored_inside);
    environment.set_formatter(emit);
    // No template needs them, and each makes much of little.
    for name in ["format", "batch", "slice", "pprint"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
}

/// Takes `units` from the rendering's budget.
pub(super) fn charge(state: &State<'_, '_>, units: u64) -> Result<(), Error> {
    let take = |left: &AtomicU64| {
        let take = |left: u64| left.checked_sub(units);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    };
    if of_budget(state, take) == Some(true) {
        Ok(())
    } else {
        Err(spent())
    }
}

fn of_budget<T>(state: &State<'_, '_>, ask: impl Fn(&AtomicU64) -> T) -> Option<T> {
    let budget = state.lookup(NAME);
    let left = budget
        .as_ref()
        .and_then(|value| value.downcast_object_ref::<Budget>());
    left.map(|Budget(left)| ask(left))
}

fn spent() -> Error {
    refused(format!("the template makes more than {MAX_MADE} bytes"))
}

fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason)
}

/// What it takes to write a value out or to look at all of it, charged.
pub(super) fn charge_whole(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let size = Size::of(state, [value])?;
    charge(state, size.cost())
}

/// Charges a list that is about to be made, by its elements.
pub(super) fn charge_items(state: &State<'_, '_>, count: usize) -> Result<(), Error> {
    charge(state, (count as u64).saturating_mul(ITEM))
}

/// Bytes and values in a value, each counted as often as it is there; a key counts with its value.
#[derive(Default)]
struct Size {
    bytes: u64,
    nodes: u64,
    holds_namespace: bool,
    /// Whether bytes cost anything: strings that are only kept were charged when they were made.
    bytes_cost: bool,
    /// Where counting ends: no walk is longer than what is left to pay for it.
    most: u64,
}

impl Size {
    fn of<'v>(state: &State<'_, '_>, values: impl IntoIterator<Item = &'v Value>) -> Result<Size, Error> {
        let mut size = Size::none(state, true);
        values.into_iter().try_for_each(|value| size.add(value, 0))?;
        Ok(size)
    }

    fn none(state: &State<'_, '_>, bytes_cost: bool) -> Size {
        let most = of_budget(state, |left| left.load(Ordering::Relaxed)).unwrap_or(0);
        Size {
            bytes_cost,
            most,
            ..Size::default()
        }
    }

    fn cost(&self) -> u64 {
        let bytes = if self.bytes_cost { self.bytes } else { 0 };
        bytes + self.nodes * LOOK
    }

    fn add(&mut self, value: &Value, depth: u32) -> Result<(), Error> {
        if depth > MAX_NESTING {
            return Err(refused(format!("values are nested deeper than {MAX_NESTING}")));
        }
        self.nodes += 1;
        match value.kind() {
            ValueKind::String => self.bytes += value.as_str().map_or(0, str::len) as u64,
            ValueKind::Bytes => self.bytes += value.as_bytes().map_or(0, <[u8]>::len) as u64,
            ValueKind::Map => {
                let is_namespace = |object: &DynObject| object.type_name().ends_with("Namespace");
                self.holds_namespace |= value.as_object().is_some_and(is_namespace);
                for key in value.try_iter()? {
                    match key.as_str() {
                        Some(key) => self.bytes += key.len() as u64,
                        None => self.add(&key, depth + 1)?,
                    }
                    self.add(&value.get_item(&key)?, depth + 1)?;
                }
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    self.add(&item, depth + 1)?;
                }
            }
            _ => self.bytes += 24,
        }
        if self.cost() > self.most {
            Err(spent())
        } else {
            Ok(())
        }
    }
}

fn emit(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if !value.is_undefined() {
        charge_whole(state, value)?;
    }
    escape_formatter(out, state, value)
}

fn add(state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        charge(state, (a.len() + b.len()) as u64)?;
        return Ok(Value::from([a, b].concat()));
    }
    if is_list(a) && is_list(b) {
        return list(state, a.try_iter()?.chain(b.try_iter()?));
    }
    number(a, b, i128::checked_add, |a, b| a + b).ok_or_else(|| impossible("+", a, b))
}

fn multiply(state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    let (many, count) = if a.as_str().is_some() || is_list(a) {
        (a, b)
    } else {
        (b, a)
    };
    let times = || count.as_usize().ok_or_else(|| impossible("*", a, b));
    if let Some(text) = many.as_str() {
        let times = times()?;
        charge(state, (text.len() as u64).saturating_mul(times as u64))?;
        return Ok(Value::from(text.repeat(times)));
    }
    if is_list(many) {
        let items: Vec<Value> = many.try_iter()?.take(MAX_ITEMS as usize + 1).collect();
        let times = times()?;
        let len = (items.len() as u64).saturating_mul(times as u64);
        let all = (0..times.min(MAX_ITEMS as usize + 1)).flat_map(|_| items.iter().cloned());
        return if len == 0 {
            Ok(Value::from(Vec::<Value>::new()))
        } else {
            list(state, all)
        };
    }
    number(a, b, i128::checked_mul, |a, b| a * b).ok_or_else(|| impossible("*", a, b))
}

fn concat(state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    charge_whole(state, a)?;
    charge_whole(state, b)?;
    Ok(Value::from(format!("{a}{b}")))
}

fn contains(state: &mut State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    if !container.is_undefined() {
        charge_whole(state, container)?;
    }
    state.perform_test("in", &[item.clone(), container.clone()])
}

/// Calls the filter whose name is the last argument.
fn filter(state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args: Vec<Value> = args.0.into_iter().map(Value::from).collect();
    let (Some(name), args) = (
        args.last().and_then(Value::as_str),
        &args[..args.len().saturating_sub(1)],
    ) else {
        return Err(refused("a filter without a name"));
    };
    match (name, args) {
        // They look at no more than the outermost value, and templates ask for them once per message.
        ("length" | "count" | "first" | "last" | "default" | "d", [value, ..]) => {
            charge(state, value.as_str().map_or(LOOK, |text| text.len() as u64))?;
        }
        _ => args.iter().try_for_each(|value| charge_whole(state, value))?,
    }
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    let options = args.get(1..).unwrap_or_default();
    match name {
        "replace" => {
            if let (Some(text), Some(from), Some(to)) = (text(0), text(1), text(2)) {
                super::python::bounded(text, from, to)?;
            }
        }
        "join" => {
            let count = args
                .first()
                .and_then(|list| list.try_iter().ok())
                .map_or(0, Iterator::count) as u64;
            let joiner = Size::of(state, options)?;
            charge(state, count.saturating_mul(joiner.bytes))?;
        }
        "indent" => {
            let lines = text(0).map_or(0, |text| text.lines().count()) as u64;
            let named = options
                .iter()
                .filter_map(|option| option.get_item(&Value::from("width")).ok());
            let widths = options
                .iter()
                .cloned()
                .chain(named)
                .filter_map(|width| width.as_usize());
            charge(
                state,
                (lines + 1).saturating_mul(widths.max().unwrap_or(4) as u64),
            )?;
        }
        // Escapes are six times as long, and indentation is up to 16 for each level.
        "tojson" => {
            let size = Size::of(state, args.first())?;
            let indented = if args.len() > 1 {
                16 * u64::from(MAX_NESTING)
            } else {
                4
            };
            charge(
                state,
                size.bytes.saturating_mul(6) + size.nodes.saturating_mul(indented),
            )?;
        }
        "split" => charge_items(state, text(0).map_or(0, |whole| parts(whole, text(1))))?,
        "lines" => charge_items(state, text(0).map_or(0, |text| text.lines().count()))?,
        "list" | "map" | "select" | "reject" | "selectattr" | "rejectattr" | "sort" | "unique" | "items"
        | "dictsort" | "groupby" | "zip" | "chain" => {
            let count = |value: &Value| value.try_iter().map_or(0, Iterator::count);
            charge_items(state, args.iter().map(count).sum())?;
        }
        _ => {}
    }
    let result = state
        .apply_filter(name, args)
        .map_err(|error| match error.kind() {
            ErrorKind::UnknownFilter => {
                Error::new(ErrorKind::UnknownFilter, format!("filter {name} is unknown"))
            }
            _ => error,
        })?;
    made(state, result)
}

/// Into how many parts a text is split.
pub(super) fn parts(text: &str, separator: Option<&str>) -> usize {
    match separator {
        Some("") => 0,
        Some(separator) => text.matches(separator).count() + 1,
        None => text.split_whitespace().count(),
    }
}

/// Charges a string that was made. A list that was only promised is made: a promise on a promise on a promise could
/// be kept only by as much stack.
pub(super) fn made(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Iterable {
        return list(state, value.try_iter()?);
    }
    charge(state, value.as_str().map_or(0, str::len) as u64)?;
    Ok(value)
}

/// Charges the walk to a place in what can only be counted: strings and ranges, unlike lists.
fn counted(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let walk = match value.kind() {
        ValueKind::String => value.as_str().map_or(0, str::len) as u64,
        ValueKind::Iterable => value.try_iter()?.count() as u64 * LOOK,
        _ => 0,
    };
    charge(state, walk)?;
    Ok(value)
}

/// The same for a slice, whose bounds lie above what is sliced: all four are handed back, the last one first, as
/// they are unpacked.
fn sliced(
    state: &mut State<'_, '_>,
    value: Value,
    start: Value,
    stop: Value,
    step: Value,
) -> Result<Value, Error> {
    let value = counted(state, value)?;
    Ok(Value::from(vec![step, stop, start, value]))
}

/// Charges a look at all of a value, which comparing takes.
fn looked_at(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    if !value.is_undefined() {
        charge_whole(state, &value)?;
    }
    Ok(value)
}

/// Charges what is stored by its values, and keeps them from growing into each other without end.
fn stored(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    charge_stored(state, &value)?;
    Ok(value)
}

/// The same in a namespace. One that held another could hold itself, and comparing it would never end.
fn stored_inside(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    if charge_stored(state, &value)?.holds_namespace {
        return Err(refused("a namespace cannot be stored in a namespace"));
    }
    Ok(value)
}

/// By its values alone: the strings in it were charged when they were made.
fn charge_stored(state: &State<'_, '_>, value: &Value) -> Result<Size, Error> {
    let mut size = Size::none(state, false);
    if matches!(
        value.kind(),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable
    ) {
        size.add(value, 0)?;
        charge(state, size.cost())?;
    }
    Ok(size)
}

fn list(state: &State<'_, '_>, items: impl Iterator<Item = Value>) -> Result<Value, Error> {
    let items: Vec<Value> = items.take(MAX_ITEMS as usize + 1).collect();
    if items.len() as u64 > MAX_ITEMS {
        return Err(refused(format!("a list of more than {MAX_ITEMS} values")));
    }
    charge_items(state, items.len())?;
    Ok(Value::from(items))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// Whole numbers as such, others as f64.
fn number(
    a: &Value,
    b: &Value,
    whole: impl Fn(i128, i128) -> Option<i128>,
    real: impl Fn(f64, f64) -> f64,
) -> Option<Value> {
    if a.is_undefined() || b.is_undefined() || a.is_none() || b.is_none() {
        return None;
    }
    let as_whole = |value: &Value| i128::try_from(value.clone()).ok();
    if a.is_integer() && b.is_integer() {
        let result = whole(as_whole(a)?, as_whole(b)?)?;
        return Some(i64::try_from(result).map_or_else(|_| Value::from(result), Value::from));
    }
    let as_real = |value: &Value| {
        let real = f64::try_from(value.clone()).ok();
        real.or_else(|| as_whole(value).map(|whole| whole as f64))
    };
    Some(Value::from(real(as_real(a)?, as_real(b)?)))
}

fn impossible(operator: &str, a: &Value, b: &Value) -> Error {
    let (a, b) = (a.kind(), b.kind());
    refused(format!(
        "tried to use {operator} operator on unsupported types {a} and {b}"
    ))
}
