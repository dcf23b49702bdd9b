//! Whether the shapes of a file's tensors are those of a net, whatever their names: only then can
//! other names help.
//!
//! Unaware of names, but for messages, and of the order of layers.

use std::iter::once;

use anyhow::{Context as _, Result, ensure};

use cifar::CHANNELS;
use nn::architecture::{ConvLayer, FILTERS, MAX_N};

/// The first place in a net of a convolution of this shape; `name` is for messages.
///
/// # Errors
/// If no net has it.
pub fn place_of(name: &str, shape: &[usize]) -> Result<ConvLayer> {
    let stages = (0..FILTERS.len()).flat_map(|stage| {
        let block = |index, half| ConvLayer::Block { stage, index, half };
        let projection = (stage > 0).then_some(ConvLayer::Projection { stage });
        [block(0, 0), block(0, 1)].into_iter().chain(projection)
    });
    let place = once(ConvLayer::Stem)
        .chain(stages)
        .find(|layer| layer.shape() == shape);
    place.with_context(|| format!("the convolution {name} of {shape:?} is of no such net"))
}

/// n, and whether there are projections, by the convolutions' names and shapes and the channels of the
/// batch normalisations.
///
/// # Errors
/// If the shapes are not those of a net, whatever the names.
pub fn census(convs: &[(&str, &[usize])], norms: &[usize]) -> Result<(usize, bool)> {
    let places = convs.iter().map(|(name, shape)| place_of(name, shape));
    let places = places.collect::<Result<Vec<_>>>()?;
    let count = |place| places.iter().filter(|&&other| other == place).count();
    let stems = count(ConvLayer::Stem);
    let block = |stage, half| ConvLayer::Block {
        stage,
        index: 0,
        half,
    };
    let counts = [0, 1, 2].map(|stage| count(block(stage, 0)) + count(block(stage, 1)));
    let n = counts[0] / 2;
    ensure!(
        stems == 1 && counts == [2 * n; 3] && (1..=MAX_N as usize).contains(&n),
        "it holds {stems} convolutions from {CHANNELS} to {} channels and {counts:?} ending in \
         {FILTERS:?}: expected 1 and the same even number of the others",
        FILTERS[0]
    );
    // In the first stage they have the shape of all others.
    let firsts = [1, 2].map(|stage| count(block(stage, 0)));
    ensure!(
        firsts == [1, 1],
        "it holds {} and {} convolutions of 3 × 3 from one stage to the next: expected 1 and 1",
        firsts[0],
        firsts[1]
    );
    let projected = [0, 1, 2].map(|stage| count(ConvLayer::Projection { stage }));
    ensure!(
        projected == [0, 0, 0] || projected == [0, 1, 1],
        "it holds {projected:?} projections in the three stages: expected none, or one in the \
         second and one in the third"
    );
    for filters in FILTERS {
        let followed = convs
            .iter()
            .filter(|(_, shape)| shape.first() == Some(&filters));
        let following = norms.iter().filter(|&&width| width == filters);
        let (followed, following) = (followed.count(), following.count());
        ensure!(
            followed == following,
            "it holds {followed} convolutions of {filters} filters and {following} batch \
             normalisations of {filters} channels: expected one for each",
        );
    }
    ensure!(
        norms.len() == convs.len(),
        "it holds {} convolutions and {} batch normalisations: expected one for each",
        convs.len(),
        norms.len()
    );
    Ok((n, projected != [0, 0, 0]))
}
