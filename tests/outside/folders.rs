//! Image folders as people have them, with the whole program.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};

use super::{fig6, text, words};

/// One image of each class in a folder.
fn split(folder: &Path, count: u8) {
    for class in 0..10_u8 {
        let place = folder.join(format!("class{class}"));
        fs::create_dir_all(&place).unwrap();
        for number in 0..count {
            let image = RgbImage::from_fn(32, 32, |x, y| {
                Rgb([x as u8 * 8, y as u8 * 8, class * 20 + number])
            });
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).unwrap();
            fs::write(place.join(format!("{number}.png")), bytes.into_inner()).unwrap();
        }
    }
}

#[test]
fn a_folder_for_validation_is_the_validation_set_of_a_training_by_itself() {
    let folder = testing::folder();
    let data = folder.path().join("data");
    for (name, count) in [("train", 2), ("test", 1), ("valid", 1)] {
        split(&data.join(name), count);
        fs::write(data.join(name).join("class0/Thumbs.db"), "").unwrap();
        fs::write(data.join(name).join("desktop.ini"), "").unwrap();
    }
    let said = "the 10 images of valid/ are the validation set, so no training images are held out";
    let train = "train --n 1 --iterations 2 --batch-size 20 --evaluate-every 2 --exp-name";
    let run = |more: &str| fig6(folder.path(), &words(&format!("{train} {more}")), &[]);
    let output = run("a");
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).starts_with(&format!("{said}\n")),
        "{}",
        text(&output)
    );
    // All of train/ is trained on: a batch of twenty images would not fit otherwise.
    let training = fs::read_to_string(folder.path().join("experiments/a/training.json")).unwrap();
    assert!(training.contains("\"images\": 20,"), "{training}");
    let metrics = fs::read_to_string(folder.path().join("experiments/a/metrics.jsonl")).unwrap();
    assert!(!metrics.contains("\"validation_error\":null"), "{metrics}");
    assert!(run("b --validation 10").status.success());
    assert!(run("c --validation 0").status.success());
    let output = run("d --validation 5");
    assert_eq!(output.status.code(), Some(2));
    let expected = format!("error: {said}, in data: leave --validation out, or remove valid/\n");
    assert_eq!(text(&output), expected);
    assert!(!folder.path().join("experiments/d").exists());

    let evaluate = "evaluate experiments/a/weights.safetensors --data data";
    let output = fig6(folder.path(), &words(evaluate), &[]);
    assert!(output.status.success(), "{}", text(&output));
    // Without the folder, a tenth of the training images is drawn.
    fs::remove_dir_all(data.join("valid")).unwrap();
    let output = fig6(
        folder.path(),
        &words(&format!("{train} e").replace("20", "18")),
        &[],
    );
    assert!(output.status.success(), "{}", text(&output));
    let training = fs::read_to_string(folder.path().join("experiments/e/training.json")).unwrap();
    assert!(training.contains("\"images\": 18,"), "{training}");
}
