//! Option A's shortcut, forward and backward.

use super::*;

#[test]
fn option_a_keeps_every_other_pixel_and_its_gradient_flows_back_to_them() {
    let x = numbers(1, 2 * 4 * 6 * 3);
    let pad = Pad {
        shape: [4, 6, 3],
        largest: false,
        zeros: [1, 2],
    };
    let padded = pad.forward(&x);
    assert_eq!(padded.len(), 2 * 2 * 3 * 6);
    let mut back = vec![0.0; x.len()];
    for image in 0..2 {
        let of = image * 72..(image + 1) * 72;
        let padded = &padded[image * 36..][..36];
        pad.add_gradient(padded, &x[of.clone()], &mut back[of]);
    }
    for (place, (x, back)) in x.iter().zip(&back).enumerate() {
        let pixel = place / 3 % 24;
        let kept = pixel / 6 % 2 == 0 && pixel % 6 % 2 == 0;
        assert_eq!(*back, if kept { *x } else { 0.0 }, "{place}");
    }
    let channels = padded.chunks_exact(6);
    assert!(
        channels
            .clone()
            .all(|pixel| pixel[0] == 0.0 && pixel[4..] == [0.0, 0.0])
    );
    assert_eq!(channels.clone().count(), 12);
}

#[test]
fn an_odd_last_row_or_column_has_every_other_pixel_and_no_largest_of_four() {
    let x: Vec<f32> = (0..15).map(|number| number as f32).collect();
    let pad = |largest| Pad {
        shape: [3, 5, 1],
        largest,
        zeros: [0, 0],
    };
    assert_eq!(pad(false).forward(&x), [0.0, 2.0, 4.0, 10.0, 12.0, 14.0]);
    assert_eq!(pad(true).forward(&x), [6.0, 8.0]);
    let mut back = [0.0; 15];
    (back[6], back[8]) = (1.0, 2.0);
    let mut found = [0.0; 15];
    pad(true).add_gradient(&[1.0, 2.0], &x, &mut found);
    assert_eq!(found, back);
}

#[test]
fn of_equal_pixels_the_first_is_the_largest_and_what_is_no_number_is_larger_than_any() {
    let pad = Pad {
        shape: [2, 4, 1],
        largest: true,
        zeros: [0, 1],
    };
    let x = [0.0, 0.0, 3.0, 9.0, 0.0, 0.0, f32::NAN, 4.0];
    let out = pad.forward(&x);
    assert_eq!((out[0], out[1], out[3]), (0.0, 0.0, 0.0));
    assert!(out[2].is_nan());
    let mut back = [0.0; 8];
    pad.add_gradient(&[5.0, 1.0, 6.0, 1.0], &x, &mut back);
    assert_eq!(back, [5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0, 0.0]);
}
