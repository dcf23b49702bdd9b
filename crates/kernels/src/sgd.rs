//! A step of stochastic gradient descent. Unaware of parameters' names and shapes.

/// `v ← μ v + (g + λ w)` and `w ← w − η v`, in this order (torch.optim.SGD); `v` starts as the first
/// gradient. All are of the same length. Rounded as by one operation after the other. Returns weights
/// and momentum buffer.
pub fn sgd(
    mut weights: Vec<f32>,
    gradient: Vec<f32>,
    momentum_buffer: Option<Vec<f32>>,
    [learning_rate, momentum, weight_decay]: [f32; 3],
) -> [Vec<f32>; 2] {
    let mut next = gradient;
    for (next, weight) in next.iter_mut().zip(&weights) {
        *next += weight * weight_decay;
    }
    for (next, momentum_buffer) in next.iter_mut().zip(momentum_buffer.iter().flatten()) {
        *next += momentum_buffer * momentum;
    }
    for (weight, momentum_buffer) in weights.iter_mut().zip(&next) {
        *weight -= momentum_buffer * learning_rate;
    }
    [weights, next]
}
