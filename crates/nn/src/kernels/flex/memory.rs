//! Between burn's tensors on Flex and slices of `f32` in the order that the kernels want, without a copy
//! where nothing has to move. Unaware of layers and gradients.

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Bytes, DType, Shape, Tensor};
use kernels::buffers;

/// burn's own type for a tensor with a gradient.
pub type Traced = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// The tensor below a tensor on Flex with autodiff.
pub fn traced<const D: usize>(tensor: Tensor<D>) -> Traced {
    let tensor = tensor.try_into_primitive::<Autodiff<Flex>>();
    tensor.expect("a tensor on Flex with autodiff: the device was looked at")
}

/// The tensor below a tensor on Flex.
pub fn untraced<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    let tensor = tensor.try_into_primitive::<Flex>();
    tensor.expect("a tensor on Flex: the device was looked at")
}

/// A vector's values.
pub fn values(tensor: Tensor<1>) -> Vec<f32> {
    contiguous(untraced(tensor)).storage().to_vec()
}

/// The same tensor, whose storage is its values, row-major.
pub fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let count = tensor.layout().num_elements();
    match tensor.layout().contiguous_offsets() {
        Some((0, end)) if end == count && tensor.bytes().len() == 4 * count => tensor,
        _ => FlexTensor::from_data(tensor.into_data()),
    }
}

/// The layout of `[images, channels, height, width]` whose channels are neighbours.
fn last(images: usize, [channels, height, width]: [usize; 3]) -> Layout {
    let strides = [height * width * channels, 1, width * channels, channels];
    let shape = Shape::from([images, channels, height, width]);
    Layout::new(shape, strides.map(|stride| stride as isize).to_vec(), 0)
}

/// The same tensor `[images, channels, height, width]`, whose storage is its values, channels last.
pub fn channels_last(tensor: FlexTensor) -> FlexTensor {
    let dims: [usize; 4] = tensor.layout().shape().dims();
    let [images, channels, height, width] = dims;
    let count = dims.iter().product::<usize>();
    let wanted = last(images, [channels, height, width]);
    let lies_so = tensor.layout().strides() == wanted.strides()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == 4 * count;
    if lies_so {
        return tensor;
    }
    let tensor = contiguous(tensor);
    let moved = kernels::to_channels_last(tensor.storage(), channels, height * width);
    as_tensor(moved, images, [channels, height, width])
}

/// Values that lie channels last, as a tensor `[images, channels, height, width]`.
pub fn as_tensor(values: Vec<f32>, images: usize, shape: [usize; 3]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), last(images, shape), DType::F32)
}

/// Values as a vector.
pub fn as_vector(values: Vec<f32>) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from([values.len()]));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// A tensor's values as they lie; without a copy where nobody else has them.
pub fn into_values(tensor: FlexTensor) -> Vec<f32> {
    let count = tensor.layout().num_elements();
    if !tensor.is_unique() {
        return tensor.storage()[..count].to_vec();
    }
    let flat = tensor.with_layout(Layout::contiguous(Shape::from([count])));
    let (bytes, _, _) = flat.into_data().into_parts();
    // In blocks where that goes: burn asks of every element whether it is valid, which without
    // optimisation, as in tests, takes as long as a layer.
    let bytes = match bytes.try_into_vec::<[f32; 256]>() {
        Ok(blocks) => return blocks.into_flattened(),
        Err(bytes) => bytes,
    };
    match bytes.try_into_vec() {
        Ok(values) => values,
        Err(bytes) => {
            let floats = bytes.chunks_exact(4);
            let float = |bytes: &[u8]| f32::from_ne_bytes(bytes.try_into().unwrap_or_default());
            floats.map(float).collect()
        }
    }
}

/// Keeps a tensor's memory for the next, unless somebody else has it.
pub fn give_back(tensor: FlexTensor) {
    if tensor.is_unique() {
        buffers::give(into_values(tensor));
    }
}
