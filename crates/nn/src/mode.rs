//! Training or evaluation: the one place that says which of them a network does.
//!
//! | | training | evaluation |
//! |---|---|---|
//! | the network is on a device | with autodiff | without |
//! | operations | recorded for the backward pass | not recorded |
//! | batch normalisation | by the batch, whose statistics move the running ones | by the running statistics |
//! | dropout | none, as in the paper | none |
//!
//! Unaware of networks and of which device it is.

use burn::module::Module;
use burn::tensor::Device;

/// The device to train on.
pub fn for_training(device: Device) -> Device {
    device.autodiff()
}

/// A network in training as it stands, for evaluation on the same device.
pub fn for_evaluation<M: Module>(network: &M) -> M {
    network.valid()
}

/// Whether networks on this device train.
pub fn is_training(device: &Device) -> bool {
    device.is_autodiff()
}
