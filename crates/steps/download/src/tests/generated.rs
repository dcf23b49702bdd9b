//! The made-up data set.

use super::*;
use cifar::{CLASSES, IMAGE, Images};

fn generated(train: u32, test: u32, seed: u64) -> Params {
    Params::Generated(Generated { train, test, seed })
}

/// The training and test images of a made-up archive.
fn images(archive: &[u8]) -> (Images, Images) {
    let (mut train, mut test) = (Images::default(), Images::default());
    let mut members = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for member in members.entries().unwrap() {
        let mut member = member.unwrap();
        let path = member.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut bytes).unwrap();
        if path.starts_with("cifar-10-batches-bin/data_batch_") {
            train.push_records(&bytes).unwrap();
        } else if path == "cifar-10-batches-bin/test_batch.bin" {
            test.push_records(&bytes).unwrap();
        }
    }
    (train, test)
}

#[test]
fn made_up_archives_have_the_same_bytes_every_time() {
    let (summary, first) = step(&generated(55, 20, 1), vec![]).unwrap();
    assert_eq!(
        summary,
        "55 training and 20 test images, generated from seed 1"
    );
    assert_eq!(step(&generated(55, 20, 1), vec![]).unwrap().1, first);
    assert_ne!(step(&generated(55, 20, 2), vec![]).unwrap().1, first);
    // These very bytes, on every machine: whoever changes the images changes this line.
    assert_eq!(
        sha256::of(&first),
        "9a27318c732591186008089767a03d030de7fdff7d375e1ef990390dabee31cf"
    );
}

#[test]
fn made_up_splits_are_balanced_and_share_no_image() {
    let (train, test) = images(&step(&generated(203, 50, 0), vec![]).unwrap().1);
    assert_eq!((train.len(), test.len()), (203, 50));
    for class in 0..CLASSES {
        let count = |images: &Images| {
            let labels = images.labels().iter();
            labels.filter(|&&label| usize::from(label) == class).count()
        };
        assert_eq!(count(&test), 5);
        assert!((20..=21).contains(&count(&train)));
    }
    let all: std::collections::HashSet<&[u8]> = (0..203)
        .map(|index| train.image(index))
        .chain((0..50).map(|index| test.image(index)))
        .collect();
    assert_eq!(all.len(), 253);
}

#[test]
fn neither_mean_images_nor_mean_colours_tell_made_up_classes_apart() {
    let (train, test) = images(&step(&generated(2000, 500, 0), vec![]).unwrap().1);
    let statistics = preprocess::statistics::of(&train).unwrap();
    for (mean, std) in statistics.mean.iter().zip(statistics.std) {
        assert!((0.4..0.6).contains(mean) && (0.2..0.4).contains(&std));
    }
    let mut means = vec![vec![0.0; IMAGE]; CLASSES];
    for index in 0..train.len() {
        let mean = &mut means[usize::from(train.label(index))];
        for (sum, &pixel) in mean.iter_mut().zip(train.image(index)) {
            *sum += f64::from(pixel) / 200.0;
        }
    }
    let colours = |image: &[f64]| -> Vec<f64> {
        let planes = image.chunks(cifar::PLANE);
        planes.map(|plane| plane.iter().sum::<f64>()).collect()
    };
    let distance =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum() };
    let (mut by_pixels, mut by_colours) = (0, 0);
    for index in 0..test.len() {
        let image: Vec<f64> = test.image(index).iter().map(|&p| f64::from(p)).collect();
        let nearest = |to: &dyn Fn(&[f64]) -> f64| {
            let order = |&a: &usize, &b: &usize| to(&means[a]).total_cmp(&to(&means[b]));
            (0..CLASSES).min_by(order).unwrap()
        };
        let label = usize::from(test.label(index));
        by_pixels += usize::from(nearest(&|mean| distance(mean, &image)) != label);
        let own = colours(&image);
        by_colours += usize::from(nearest(&|mean| distance(&colours(mean), &own)) != label);
    }
    let errors = [by_pixels, by_colours].map(|errors| 100 * errors / test.len());
    assert!(errors.iter().all(|&error| error >= 70), "{errors:?} %");
}

#[test]
fn impossible_numbers_of_made_up_images_are_refused() {
    for (train, test) in [(0, 10), (10, 0), (100_001, 10)] {
        let error = step(&generated(train, test, 0), vec![]).unwrap_err();
        assert!(format!("{error:#}").contains("expected 1 to 100000"));
    }
}
