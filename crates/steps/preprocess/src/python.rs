//! One file of CIFAR-10's "python version": a pickled dictionary with the pixels of a batch as a
//! numpy array and the labels as a list, or with the classes' names. Python 2 wrote the published
//! ones; those of Python 3 and any numpy are read as well.
//!
//! Unaware of folders, of the order of files and of the other layouts.

use std::borrow::Cow;

use anyhow::{Context as _, Result, bail, ensure};

use crate::pickle::{Id, Pickle, Value};
use cifar::{IMAGE, RECORD};

/// A batch (`data_batch_1`, `test_batch`) as records of the binary layout.
///
/// # Errors
/// If the bytes are no pickle or were cut short, or hold no dictionary of that kind.
pub fn records(bytes: &[u8]) -> Result<Vec<u8>> {
    let pickle = Pickle::read(bytes)?;
    let array = array(&pickle, entry(&pickle, "data")?)
        .context("'data' is not as numpy pickles an array of bytes (uint8)")?;
    let &[rows, columns] = &array.shape[..] else {
        bail!("'data' has {} dimensions: expected 2", array.shape.len());
    };
    ensure!(
        columns == IMAGE && rows.checked_mul(IMAGE) == Some(array.bytes.len()),
        "'data' is {rows} × {columns} in {} bytes: expected {IMAGE} for each image",
        array.bytes.len()
    );
    let labels = pickle.items(entry(&pickle, "labels")?);
    ensure!(
        labels.len() == rows,
        "'labels' is no list of {rows} labels, as many as 'data' has images"
    );
    let mut records = Vec::with_capacity(rows * RECORD);
    for (row, &label) in labels.iter().enumerate() {
        let label = match pickle.get(label) {
            Value::Int(label) => u8::try_from(*label).ok(),
            _ => None,
        };
        records
            .push(label.with_context(|| format!("record {row}: the label is no small integer"))?);
        match array.by_columns {
            false => records.extend_from_slice(&array.bytes[row * IMAGE..][..IMAGE]),
            true => records.extend((0..IMAGE).map(|column| array.bytes[column * rows + row])),
        }
    }
    Ok(records)
}

/// The classes' names (`batches.meta`) in the order of their labels.
///
/// # Errors
/// If the bytes are no pickle or were cut short, or hold no list of names.
pub fn class_names(bytes: &[u8]) -> Result<Vec<String>> {
    let pickle = Pickle::read(bytes)?;
    let mut names = Vec::new();
    let mut length = 0;
    for &name in pickle.items(entry(&pickle, "label_names")?) {
        let name = string(&pickle, name).context("'label_names' holds what is no name")?;
        length += name.len() + 1;
        ensure!(length < 10_000, "'label_names' is too long for ten names");
        names.push(String::from_utf8(name.into_owned()).context("is no UTF-8 text")?);
    }
    Ok(names)
}

/// The value of a key of the pickled dictionary.
fn entry(pickle: &Pickle, key: &str) -> Result<Id> {
    let mut pairs = pickle.root().chunks_exact(2).rev();
    let pair = pairs
        .find(|pair| is(pickle, pair[0], key))
        .with_context(|| {
            format!(
                "holds no dictionary with '{key}': expected a file of CIFAR-10's \"python version\""
            )
        })?;
    Ok(pair[1])
}

struct Array<'a> {
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
    /// One column after the other, not row after row.
    by_columns: bool,
}

/// An array of bytes as numpy pickles it, up to protocol 4 and in protocol 5.
fn array<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Array<'a>> {
    let (shape, kind, by_columns, bytes) = match *pickle.items(id) {
        [function, _, state] if numpy(pickle, function, "_reconstruct") => {
            let &[_, shape, kind, order, bytes] = pickle.items(state) else {
                return None;
            };
            let by_columns = matches!(pickle.get(order), Value::Int(1));
            (shape, kind, by_columns, bytes)
        }
        [function, arguments] if numpy(pickle, function, "_frombuffer") => {
            let &[bytes, kind, shape, order] = pickle.items(arguments) else {
                return None;
            };
            (shape, kind, is(pickle, order, "F"), bytes)
        }
        _ => return None,
    };
    let &[function, arguments, ..] = pickle.items(kind) else {
        return None;
    };
    let code = *pickle.items(arguments).first()?;
    if !numpy(pickle, function, "dtype") || !is(pickle, code, "u1") {
        return None;
    }
    let side = |&id: &Id| match pickle.get(id) {
        Value::Int(side) => usize::try_from(*side).ok(),
        _ => None,
    };
    let shape: Option<_> = pickle.items(shape).iter().map(side).collect();
    Some(Array {
        shape: shape?,
        bytes: string(pickle, bytes)?,
        by_columns,
    })
}

/// Whether a value is this function of numpy. The modules' names changed with its versions.
fn numpy(pickle: &Pickle, id: Id, function: &str) -> bool {
    matches!(pickle.get(id), Value::Global(module, name)
        if module.starts_with(b"numpy") && *name == function.as_bytes())
}

/// Whether a value is this ASCII string, whatever its type.
fn is(pickle: &Pickle, id: Id, expected: &str) -> bool {
    matches!(written(pickle, id), Some((bytes, _)) if bytes == expected.as_bytes())
}

/// The bytes of a string.
fn string<'a>(pickle: &Pickle<'a>, id: Id) -> Option<Cow<'a, [u8]>> {
    let (bytes, is_latin1) = written(pickle, id)?;
    if !is_latin1 {
        return Some(Cow::Borrowed(bytes));
    }
    let bytes = str::from_utf8(bytes).ok()?.chars().map(u8::try_from);
    Some(Cow::Owned(bytes.collect::<Result<_, _>>().ok()?))
}

/// A string as it is written, and whether that is the text of `_codecs.encode(text, "latin1")`: so
/// Python 3 writes bytes in protocol 2.
fn written<'a>(pickle: &Pickle<'a>, id: Id) -> Option<(&'a [u8], bool)> {
    if let Value::Bytes(bytes) = pickle.get(id) {
        return Some((bytes, false));
    }
    let &[function, arguments] = pickle.items(id) else {
        return None;
    };
    let &[text, _] = pickle.items(arguments) else {
        return None;
    };
    match (pickle.get(function), pickle.get(text)) {
        (Value::Global(b"_codecs", b"encode"), Value::Bytes(text)) => Some((text, true)),
        _ => None,
    }
}
