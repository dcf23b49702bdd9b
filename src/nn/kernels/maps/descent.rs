//! A step of stochastic gradient descent. Unaware of parameters' names and shapes.

use crate::nn::kernels::Descent;

/// See [`crate::nn::kernels::descend`]; all are of the same length. In one pass, and rounded as by one
/// operation after the other.
pub fn descend(
    mut weights: Vec<f32>,
    gradient: Vec<f32>,
    velocity: Option<Vec<f32>>,
    descent: Descent,
) -> [Vec<f32>; 2] {
    let [rate, momentum, decay] = [
        descent.learning_rate,
        descent.momentum,
        descent.weight_decay,
    ]
    .map(|number| number as f32);
    let (mut decayed, past) = (gradient, velocity);
    for (gradient, weight) in decayed.iter_mut().zip(&weights) {
        *gradient += weight * decay;
    }
    if let Some(past) = past {
        for (velocity, past) in decayed.iter_mut().zip(&past) {
            *velocity += past * momentum;
        }
    }
    for (weight, velocity) in weights.iter_mut().zip(&decayed) {
        *weight -= velocity * rate;
    }
    [weights, decayed]
}
