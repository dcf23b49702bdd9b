//! A step of stochastic gradient rates. Unaware of parameters' names and shapes.

use crate::nn::kernels::Rates;

/// See [`crate::nn::kernels::sgd`]; all are of the same length. In one pass, and rounded as by one
/// operation after the other.
pub fn sgd(
    mut weights: Vec<f32>,
    gradient: Vec<f32>,
    velocity: Option<Vec<f32>>,
    rates: Rates,
) -> [Vec<f32>; 2] {
    let [learning_rate, momentum, decay] =
        [rates.learning_rate, rates.momentum, rates.weight_decay].map(|number| number as f32);
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
        *weight -= velocity * learning_rate;
    }
    [weights, decayed]
}
