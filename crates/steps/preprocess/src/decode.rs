//! One PNG or JPEG file into one CIFAR image. Whatever the file says of its size, that takes no more
//! memory than [`ALLOCATION`] and copies of the file.
//!
//! Unaware of archives, labels and order.

use std::io::Cursor;

use anyhow::{Context as _, Result, bail, ensure};
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use cifar::{CHANNELS, IMAGE, PLANE, SIDE};

/// Bytes that a decoder may allocate: far more than 32 × 32 pixels with any metadata need.
const ALLOCATION: u64 = 16 << 20;

const CONVERT: &str = "expected PNG or JPEG, so convert it";

/// Decodes a 32 × 32 image with 8 bits per channel to [`IMAGE`] bytes: planes R, G, B,
/// row-major. Grey images get three equal channels. The size is read from the header, before any
/// pixel.
///
/// # Errors
/// If the bytes are neither PNG nor JPEG, are cut short or damaged, or hold an image of another
/// size, with transparency, or with more bits per channel.
pub fn image(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .context("cannot be read")?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(ALLOCATION);
    reader.limits(limits);
    let format = match reader.format() {
        Some(ImageFormat::Png) => "PNG",
        Some(ImageFormat::Jpeg) => "JPEG",
        Some(ImageFormat::WebP) => bail!("is a WebP image: {CONVERT}"),
        Some(other) => {
            let name = format!("{other:?}").to_uppercase();
            bail!("is a {name} image: {CONVERT}")
        }
        None => bail!("is no image: expected PNG or JPEG files only, so move it elsewhere"),
    };
    let damaged = || format!("is no valid {format}: it was cut short or is damaged");
    let decoder = reader.into_decoder().with_context(damaged)?;
    let (width, height) = decoder.dimensions();
    ensure!(
        (width as usize, height as usize) == (SIDE, SIDE),
        "is {width} × {height} pixels: expected {SIDE} × {SIDE}"
    );
    match decoder.color_type() {
        ColorType::Rgb8 | ColorType::L8 => {}
        ColorType::Rgba8 | ColorType::La8 | ColorType::Rgba16 | ColorType::La16 => {
            bail!("has an alpha channel: expected RGB or grey without transparency")
        }
        other => bail!("has pixels of type {other:?}: expected 8 bits per channel, RGB or grey"),
    }
    // The JPEG decoder fills up what is missing with grey and says nothing, so look for the
    // marker that ends every JPEG ourselves.
    if format == "JPEG" {
        ensure!(
            bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]),
            damaged()
        );
    }
    let pixels = DynamicImage::from_decoder(decoder)
        .with_context(damaged)?
        .into_rgb8();
    let mut planes = vec![0; IMAGE];
    for (place, pixel) in pixels.as_raw().chunks_exact(CHANNELS).enumerate() {
        for channel in 0..CHANNELS {
            planes[channel * PLANE + place] = pixel[channel];
        }
    }
    Ok(planes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{encode, picture};
    use image::{GrayImage, RgbImage, RgbaImage};

    fn message(bytes: &[u8]) -> String {
        format!("{:#}", super::image(bytes).unwrap_err())
    }

    #[test]
    fn pixels_come_out_as_planes_and_grey_three_times() {
        let planes = super::image(&picture(ImageFormat::Png, 77)).unwrap();
        assert_eq!(planes.len(), IMAGE);
        assert_eq!(planes[3 * SIDE + 5], 5 * 8);
        assert_eq!(planes[PLANE + 3 * SIDE + 5], 3 * 8);
        assert_eq!(planes[2 * PLANE + 3 * SIDE + 5], 77);
        let grey = GrayImage::from_fn(32, 32, |x, _| image::Luma([x as u8]));
        let planes = super::image(&encode(grey.into(), ImageFormat::Png)).unwrap();
        assert_eq!(
            [planes[9], planes[PLANE + 9], planes[2 * PLANE + 9]],
            [9; 3]
        );
    }

    #[test]
    fn another_size_alpha_or_depth_is_refused_by_its_name() {
        let large = encode(RgbImage::new(64, 32).into(), ImageFormat::Jpeg);
        assert_eq!(message(&large), "is 64 × 32 pixels: expected 32 × 32");
        let alpha = encode(RgbaImage::new(32, 32).into(), ImageFormat::Png);
        assert!(message(&alpha).contains("has an alpha channel"));
        let deep = DynamicImage::new_rgb16(32, 32);
        let deep = encode(deep, ImageFormat::Png);
        assert!(message(&deep).contains("expected 8 bits per channel"));
    }

    #[test]
    fn what_is_neither_png_nor_jpeg_is_told_apart_from_what_is_no_image() {
        for (bytes, format) in [
            (&b"GIF89a??"[..], "GIF"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "WebP"),
            (b"BM\x46\0\0\0\0\0", "BMP"),
            (b"II*\0\x08\0\0\0", "TIFF"),
        ] {
            assert_eq!(
                message(bytes),
                format!("is a {format} image: expected PNG or JPEG, so convert it")
            );
        }
        for bytes in [&b"my notes"[..], b"", b"\0\0"] {
            assert_eq!(
                message(bytes),
                "is no image: expected PNG or JPEG files only, so move it elsewhere"
            );
        }
    }

    #[test]
    fn an_image_cut_short_at_any_byte_is_refused() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = picture(format, 200);
            super::image(&whole).unwrap();
            // A PNG is whole without its last chunk, IEND (12 bytes).
            let spare = if format == ImageFormat::Png { 12 } else { 0 };
            for length in 0..whole.len() - spare {
                assert!(
                    super::image(&whole[..length]).is_err(),
                    "{format:?} {length}"
                );
            }
        }
    }

    #[test]
    fn no_damaged_byte_makes_the_decoder_panic() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = picture(format, 200);
            for place in 0..whole.len() {
                let mut damaged = whole.clone();
                for flip in [0x01, 0x80, 0xff] {
                    damaged[place] = whole[place] ^ flip;
                    let _ = super::image(&damaged);
                }
            }
        }
    }
}
