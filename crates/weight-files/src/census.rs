//! Whether the shapes of a file's tensors are those of a net, whatever their names: only then can
//! other names help.
//!
//! Unaware of names, but for messages, and of the order of layers.

use anyhow::{Result, bail, ensure};

use super::names::{FILTERS, MAX_N};
use cifar::CHANNELS;

/// Where a convolution belongs, by its shape alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stem,
    /// In the blocks of a stage: whether it is the one from the stage before.
    Block {
        stage: usize,
        first: bool,
    },
    Projection {
        stage: usize,
    },
}

/// The place of the convolution of this name, for messages, and shape.
///
/// # Errors
/// If no net has it.
pub fn kind(name: &str, shape: &[usize]) -> Result<Kind> {
    let width = shape.first();
    let stage = FILTERS.iter().position(|filters| Some(filters) == width);
    let before = stage
        .and_then(|stage| FILTERS.get(stage.checked_sub(1)?))
        .copied();
    Ok(match (stage, shape) {
        (Some(0), &[_, CHANNELS, 3, 3]) => Kind::Stem,
        (Some(stage), &[out, channels, 3, 3]) if out == channels || before == Some(channels) => {
            let first = before == Some(channels);
            Kind::Block { stage, first }
        }
        (Some(stage), &[_, channels, 1, 1]) if before == Some(channels) => {
            Kind::Projection { stage }
        }
        _ => bail!("the convolution {name} of {shape:?} is of no such net"),
    })
}

/// n, and whether there are projections, by the convolutions' names and shapes and the channels of the
/// batch normalisations.
///
/// # Errors
/// If the shapes are not those of a net, whatever the names.
pub fn census(convs: &[(&str, &[usize])], norms: &[usize]) -> Result<(usize, bool)> {
    let kinds = convs.iter().map(|(name, shape)| kind(name, shape));
    let kinds = kinds.collect::<Result<Vec<_>>>()?;
    let count = |fits: &dyn Fn(Kind) -> bool| kinds.iter().filter(|&&kind| fits(kind)).count();
    let stems = count(&|kind| kind == Kind::Stem);
    let counts =
        [0, 1, 2].map(|at| count(&|kind| matches!(kind, Kind::Block { stage, .. } if stage == at)));
    let n = counts[0] / 2;
    ensure!(
        stems == 1 && counts == [2 * n; 3] && (1..=MAX_N as usize).contains(&n),
        "it holds {stems} convolutions from {CHANNELS} to {} channels and {counts:?} ending in \
         {FILTERS:?}: expected 1 and the same even number of the others",
        FILTERS[0]
    );
    let firsts = [0, 1, 2].map(|stage| {
        let first = Kind::Block { stage, first: true };
        count(&|kind| kind == first)
    });
    ensure!(
        firsts == [0, 1, 1],
        "it holds {} and {} convolutions of 3 × 3 from one stage to the next: expected 1 and 1",
        firsts[1],
        firsts[2]
    );
    let projected = [0, 1, 2].map(|stage| count(&|kind| kind == Kind::Projection { stage }));
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
