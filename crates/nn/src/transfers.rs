//! Numbers from the host to a device and back, counted. Reading makes the host wait for the device.
//!
//! Unaware of what the numbers mean.

use std::cell::Cell;

use anyhow::{Context as _, Result};
use burn::tensor::{Device, Tensor, TensorData, Transaction};

/// What went between host and devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    pub uploads: u64,
    pub uploaded_bytes: u64,
    /// How often the host waited for numbers; several tensors may come at once.
    pub waits: u64,
    pub read_bytes: u64,
}

thread_local! {
    static COUNTED: Cell<Transfers> = Cell::default();
}

impl Transfers {
    /// All that this thread has asked for so far.
    pub fn of_this_thread() -> Transfers {
        COUNTED.get()
    }

    fn count(add: impl FnOnce(&mut Transfers)) {
        let mut counted = COUNTED.get();
        add(&mut counted);
        COUNTED.set(counted);
    }
}

/// Numbers in row-major order as a tensor on a device.
pub fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Transfers::count(|counted| {
        counted.uploads += 1;
        counted.uploaded_bytes += size_of_val(&*values) as u64;
    });
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Reads a tensor back from its device, row-major.
///
/// # Errors
/// If the device fails, or the tensor holds no 32-bit floats.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let data = tensor.try_into_data().context(CANNOT_READ)?;
    let values = floats(data)?;
    Transfers::count(|counted| {
        counted.waits += 1;
        counted.read_bytes += size_of_val(&*values) as u64;
    });
    Ok(values)
}

/// Reads tensors back from their device as [`read`] does, with one wait for all of them.
///
/// # Errors
/// As [`read`].
pub fn read_all<const D: usize>(tensors: Vec<Tensor<D>>) -> Result<Vec<Vec<f32>>> {
    let register = |all: Transaction, tensor| all.register(tensor);
    let all = tensors.into_iter().fold(Transaction::default(), register);
    let data = all.try_execute().context(CANNOT_READ)?;
    let values: Vec<Vec<f32>> = data.into_iter().map(floats).collect::<Result<_>>()?;
    Transfers::count(|counted| {
        counted.waits += 1;
        counted.read_bytes += values
            .iter()
            .map(|it| size_of_val(&**it) as u64)
            .sum::<u64>();
    });
    Ok(values)
}

const CANNOT_READ: &str = "cannot read a tensor back from the device";

fn floats(data: TensorData) -> Result<Vec<f32>> {
    let data = data.try_cast_as::<f32>();
    let values = data.and_then(TensorData::try_into_vec);
    values.context("a tensor does not hold 32-bit floats")
}
