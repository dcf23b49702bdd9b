//! PNG and JPEG files, as members of an archive or files of a folder.

use cifar::IMAGE;
use preprocess::decode;

use super::seeds::{pictures, png, seal_png, zlib};
use super::target::{Bound, MB, Target, alone, measured};

/// What the decoders may take: [`decode`]'s own limit for what an image allocates, a megabyte for what
/// the limit does not count, and copies of the file.
const BOUND: Bound = Bound {
    fixed: 17 * MB,
    per_byte: 8,
};

#[test]
fn pictures_whatever_they_hold_are_decoded_or_refused() {
    let _alone = alone();
    Target {
        name: "picture",
        bound: BOUND,
        seeds: pictures(),
        damage: &|dice, bytes, other| {
            dice.damage(bytes, other);
            if dice.one_in(3) {
                // Height and width, which only the format's start says.
                let start = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]);
                let at = start.map_or(16, |at| at + 5);
                let side = *dice.pick(&[0, 1, 33, 255, 256, 16_384, 60_000, 65_535_u16]);
                if let Some(place) = bytes.get_mut(at..at + 2) {
                    place.copy_from_slice(&side.to_be_bytes());
                }
            }
            if !dice.one_in(3) && bytes.len() > 8 {
                seal_png(bytes);
            }
        },
        parse: &|_, bytes| {
            let planes = decode::image(bytes)?;
            assert_eq!(planes.len(), IMAGE);
            Ok(())
        },
    }
    .run();
}

/// A JPEG that says it has this size.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = super::seeds::picture(image::ImageFormat::Jpeg, 1);
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn pictures_that_lie_about_their_size_are_refused_before_they_are_decoded() {
    let _alone = alone();
    let large = |side: u32| png(side, side, [8, 2, 0], &[0; 100]);
    let mut text = png(32, 32, [8, 2, 0], &vec![0; 97 * 32]);
    // 64 MiB of compressed comment.
    let comment = [b"Comment\0\0", &zlib(&vec![b'x'; 64 * MB])[..]].concat();
    let mut chunk = u32::try_from(comment.len()).unwrap().to_be_bytes().to_vec();
    chunk.extend(b"zTXt");
    chunk.extend(&comment);
    chunk.extend([0; 4]);
    text.splice(33..33, chunk);
    seal_png(&mut text);
    // Pixels that unpack to far more than the size says.
    let more = png(32, 32, [8, 2, 0], &vec![0; 64 * MB]);
    for (bytes, said) in [
        (large(60_000), "is 60000 × 60000 pixels: expected 32 × 32"),
        (large(0x7fff_ffff), ""),
        (large(0), ""),
        (
            jpeg(60_000, 60_000),
            "is 60000 × 60000 pixels: expected 32 × 32",
        ),
        (jpeg(65_535, 1), "is 65535 × 1 pixels: expected 32 × 32"),
        (jpeg(0, 0), ""),
    ] {
        let (result, peak) = measured(|| decode::image(&bytes));
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains(said), "{error}");
        assert!(peak < MB, "{error}: {peak} bytes");
    }
    for bytes in [text, more] {
        let (_, peak) = measured(|| decode::image(&bytes));
        assert!(peak < 20 * MB, "{peak} bytes");
    }
}
