//! Python's pickles (protocols 2 to 5) as a table of values. A pickle is a program that may call
//! anything; here no call is ever made: one that it asks for becomes a list of the name, the
//! arguments and the state. Memory is bounded by [`OPERATIONS`] (less than 200 MB); strings stay
//! where they are.
//!
//! No crate does this: those that read any pickle copy a value at each reference to it, or drop what
//! a call to numpy was given. Unaware of numpy, of CIFAR and of what a call would do.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

/// Operations of one pickle: 60,000 images with their file names take half a million.
const OPERATIONS: usize = 1 << 21;

/// A value's place in the table.
#[derive(Clone, Copy, Debug)]
pub struct Id(usize);

#[derive(Debug)]
pub enum Value<'a> {
    None,
    /// An integer or a truth value. Negative ones come out large: no count and no label is one.
    Int(u64),
    /// A byte string, or a text's UTF-8.
    Bytes(&'a [u8]),
    /// What would be imported: the module, the name.
    Global(&'a [u8], &'a [u8]),
    /// A list or a tuple; a dictionary's keys, each before its value; a call's function and
    /// arguments, followed by the state to set in its result.
    Items(Vec<Id>),
}

/// A pickle's values, and how far it was read.
#[derive(Debug, Default)]
pub struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// Bytes to come.
    rest: &'a [u8],
    /// At the end, the value that was pickled is on top.
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle.
    ///
    /// # Errors
    /// If the bytes are none, were cut short, or use what numbers, strings, lists and arrays do
    /// not need.
    pub fn read(bytes: &'a [u8]) -> Result<Pickle<'a>> {
        ensure!(
            matches!(bytes, [0x80, 2..=5, ..]),
            "starts with \"{}\": expected a pickle of protocol 2 to 5, as in CIFAR-10's \"python version\"",
            bytes[..bytes.len().min(8)].escape_ascii()
        );
        let mut pickle = Pickle {
            rest: bytes,
            ..Pickle::default()
        };
        for _ in 0..OPERATIONS {
            let place = bytes.len() - pickle.rest.len();
            let done = pickle.step().with_context(|| {
                format!("is no sound pickle at byte {place} of {}", bytes.len())
            })?;
            if done {
                return Ok(pickle);
            }
        }
        bail!("is a pickle of more than {OPERATIONS} operations: expected less for one data set")
    }

    pub fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id.0]
    }

    /// What is in a value; nothing, unless it is one of [`Value::Items`].
    pub fn items(&self, id: Id) -> &[Id] {
        match self.get(id) {
            Value::Items(items) => items,
            _ => &[],
        }
    }

    /// What is in the value that was pickled.
    pub fn root(&self) -> &[Id] {
        self.stack.last().map_or(&[], |&root| self.items(root))
    }

    /// Does one operation; true after the last one. The codes are those of Python's
    /// `Lib/pickle.py`.
    fn step(&mut self) -> Result<bool> {
        match self.number(1)? as u8 {
            // Protocol and frame: they change no value.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return self.top().map(|_| true),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Int(1)),
            0x89 => self.push(Value::Int(0)),
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => self.integer(4)?,
            0x8a => {
                let width = self.number(1)?;
                self.integer(width)?;
            }
            b'U' | b'C' | 0x8c => self.bytes(1)?,
            b'T' | b'B' | b'X' => self.bytes(4)?,
            0x8d | 0x8e | 0x96 => self.bytes(8)?,
            b'c' => {
                let [module, name] = [self.line()?, self.line()?];
                self.push(Value::Global(module, name));
            }
            0x93 => {
                let names = self.last(2)?;
                let (&Value::Bytes(module), &Value::Bytes(name)) =
                    (self.get(names[0]), self.get(names[1]))
                else {
                    bail!("a name to import is no text");
                };
                self.push(Value::Global(module, name));
            }
            b'(' => self.marks.push(self.stack.len()),
            // Empty lists, tuples and dictionaries, tuples, and a call.
            b')' | b']' | b'}' => self.push(Value::Items(Vec::new())),
            0x85 => self.gather(1)?,
            0x86 | b'R' => self.gather(2)?,
            0x87 => self.gather(3)?,
            b't' => {
                let count = self.marked()?;
                self.gather(count)?;
            }
            // An item, an entry, several of them, or the state of a call's result.
            b'a' | b'b' => self.extend(1)?,
            b's' => self.extend(2)?,
            b'e' | b'u' => {
                let count = self.marked()?;
                self.extend(count)?;
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => {
                let top = self.top()?;
                self.memo.insert(self.memo.len() as u64, top);
            }
            code => bail!(
                "the operation \"{}\" is none that images need",
                code.escape_ascii()
            ),
        }
        Ok(false)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(Id(self.values.len()));
        self.values.push(value);
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().context("a value is missing")
    }

    /// Takes the last `count` values, in the order in which they were pushed.
    fn last(&mut self, count: usize) -> Result<Vec<Id>> {
        let height = self.stack.len().checked_sub(count);
        Ok(self.stack.split_off(height.context("a value is missing")?))
    }

    /// The number of values above the last mark.
    fn marked(&mut self) -> Result<usize> {
        let height = self.marks.pop().context("a mark is missing")?;
        Ok(self.stack.len().saturating_sub(height))
    }

    /// Makes one value of the last `count` ones.
    fn gather(&mut self, count: usize) -> Result<()> {
        let items = self.last(count)?;
        self.push(Value::Items(items));
        Ok(())
    }

    /// Appends the last `count` values to the one below them.
    fn extend(&mut self, count: usize) -> Result<()> {
        let new = self.last(count)?;
        let top = self.top()?;
        match &mut self.values[top.0] {
            Value::Items(items) => items.extend(new),
            _ => bail!("there are items for what can hold none"),
        }
        Ok(())
    }

    fn recall(&mut self, width: u64) -> Result<()> {
        let number = self.number(width)?;
        let id = self.memo.get(&number).context("a value is missing")?;
        self.stack.push(*id);
        Ok(())
    }

    fn remember(&mut self, width: u64) -> Result<()> {
        let number = self.number(width)?;
        let top = self.top()?;
        self.memo.insert(number, top);
        Ok(())
    }

    fn integer(&mut self, width: u64) -> Result<()> {
        let number = self.number(width)?;
        self.push(Value::Int(number));
        Ok(())
    }

    /// A string behind its length, a number of `width` bytes.
    fn bytes(&mut self, width: u64) -> Result<()> {
        let length = self.number(width)?;
        let bytes = self.take(length)?;
        self.push(Value::Bytes(bytes));
        Ok(())
    }

    /// A number of `width` bytes, the lowest first.
    fn number(&mut self, width: u64) -> Result<u64> {
        ensure!(width <= 8, "an integer has more than 64 bits");
        let bytes = self.take(width)?.iter().rev();
        Ok(bytes.fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let length = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(length.context("a name has no end")? as u64)?;
        self.take(1)?;
        Ok(line)
    }

    fn take(&mut self, count: u64) -> Result<&'a [u8]> {
        let (taken, rest) = usize::try_from(count)
            .ok()
            .and_then(|count| self.rest.split_at_checked(count))
            .context("it was cut short")?;
        self.rest = rest;
        Ok(taken)
    }
}
