//! Small sound files of every format, made here, and the seals that make a damaged one pass its
//! format's own checksums.

use std::io::{Cursor, Read as _, Write as _};

use cifar::{CLASS_NAMES, IMAGE};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage, RgbaImage};
use tar::{Builder, EntryType, Header};

/// Files by path.
pub type Members = Vec<(String, Vec<u8>)>;

/// CIFAR's records with these labels.
pub fn records(labels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, &label) in labels.iter().enumerate() {
        bytes.push(label);
        bytes.extend((0..IMAGE).map(|at| (at * 7 % (90 + number)) as u8 + 9 * label));
    }
    bytes
}

/// A batch of the Python version as Python 2 wrote the published ones: two images.
pub fn python2() -> Vec<u8> {
    let pixels = &records(&[3])[1..].repeat(2);
    [
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x05batchq\x03U\x06labelsq\x04]q\x05(K\x03K\x07".as_slice(),
        b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01K\x02",
        b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T",
        &u32::try_from(pixels.len()).unwrap().to_le_bytes(),
        pixels,
        b"tbU\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu.",
    ]
    .concat()
}

/// The same in protocol 5.
pub fn python3() -> Vec<u8> {
    let pixels = &records(&[3])[1..].repeat(2);
    [
        b"\x80\x05\x95\x93\x18\x00\x00\x00\x00\x00\x00}\x94(C\x06labels\x94]\x94(K\x03K\x07eC\x04data\x94\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94\x93\x94(\x96\x00\x18\x00\x00\x00\x00\x00\x00".as_slice(),
        pixels,
        b"\x94\x8c\x05numpy\x94\x8c\x05dtype\x94\x93\x94\x8c\x02u1\x94\x89\x88\x87\x94R\x94(K\x03\x8c\x01|\x94NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t\x94bK\x02M\x00\x0c\x86\x94\x8c\x01C\x94t\x94R\x94u.",
    ]
    .concat()
}

/// The published `batches.meta`.
pub fn meta() -> Vec<u8> {
    b"\x80\x02}q\x01(U\x13num_cases_per_batchq\x02M\x10'U\x0blabel_namesq\x03]q\x04(U\x08airplaneq\x05U\nautomobileq\x06U\x04birdq\x07U\x03catq\x08U\x04deerq\x09U\x03dogq\nU\x04frogq\x0bU\x05horseq\x0cU\x04shipq\rU\x05truckq\x0eeU\x07num_visq\x0fM\x00\x0cu.".to_vec()
}

pub fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// An image file of CIFAR's size.
pub fn picture(format: ImageFormat, shade: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 8, y as u8 / 8 * 8, shade]));
    encode(image, format)
}

/// PNG and JPEG files of all kinds that the decoder tells apart.
pub fn pictures() -> Vec<Vec<u8>> {
    let mut pictures = Vec::new();
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        pictures.push(picture(format, 200));
        pictures.push(encode(
            GrayImage::from_pixel(32, 32, image::Luma([7])),
            format,
        ));
        pictures.push(encode(RgbImage::new(64, 32), format));
    }
    pictures.push(encode(RgbaImage::new(32, 32), ImageFormat::Png));
    pictures.push(encode(DynamicImage::new_rgb16(32, 32), ImageFormat::Png));
    // Depth, colour type, interlacing; among the chunks a palette and texts.
    for kind in [[1, 0, 0], [8, 3, 0], [8, 2, 1], [4, 3, 1]] {
        pictures.push(png(32, 32, kind, &vec![0; 33 * 1000]));
    }
    // A progressive JPEG by its marker alone: the scan is none, which is the decoder's to find out.
    let mut progressive = picture(ImageFormat::Jpeg, 9);
    let frame = progressive.windows(2).position(|pair| pair == [0xff, 0xc0]);
    progressive[frame.unwrap() + 1] = 0xc2;
    pictures.push(progressive);
    pictures
}

/// A PNG file by hand, which may say of itself what it likes.
pub fn png(width: u32, height: u32, kind: [u8; 3], scan: &[u8]) -> Vec<u8> {
    let [depth, colour, interlaced] = kind;
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, colour, 0, 0, interlaced]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], content: &[u8]| {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(name);
        bytes.extend(content);
        bytes.extend([0; 4]);
    };
    chunk(b"IHDR", &header);
    if colour == 3 {
        chunk(b"PLTE", &[9; 48]);
        chunk(b"tRNS", &[255; 4]);
    }
    chunk(b"tEXt", b"Comment\0made by hand");
    chunk(b"zTXt", &[b"Comment\0\0", &zlib(&[b'x'; 500])[..]].concat());
    chunk(b"IDAT", &zlib(scan));
    chunk(b"IEND", b"");
    seal_png(&mut bytes);
    bytes
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Gives each chunk of a PNG the checksum that it should have.
pub fn seal_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(body) = bytes.get(at + 4..at + 8 + length) else {
            return;
        };
        let mut crc = flate2::Crc::new();
        crc.update(body);
        let Some(place) = bytes.get_mut(at + 8 + length..at + 12 + length) else {
            return;
        };
        place.copy_from_slice(&crc.sum().to_be_bytes());
        at += 12 + length;
    }
}

/// A tar header for a plain file, its path as it is: a builder would refuse hostile ones.
pub fn header(path: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    header
}

pub fn tar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, content) in members {
        let header = header(path.as_bytes(), content.len() as u64);
        builder.append(&header, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn member(path: &str, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (path.to_owned(), content.into())
}

/// CIFAR's binary version.
pub fn binary() -> Members {
    vec![
        member("c/data_batch_1.bin", records(&[5, 6])),
        member("c/readme.html", "<html>"),
        member("c/batches.meta.txt", CLASS_NAMES.join("\n")),
        member("c/test_batch.bin", records(&[9])),
    ]
}

/// CIFAR's Python version.
pub fn python() -> Members {
    vec![
        member("c/data_batch_1", python2()),
        member("c/batches.meta", meta()),
        member("c/test_batch", python3()),
    ]
}

/// Image folders.
pub fn folders() -> Members {
    let mut members = Vec::new();
    for (number, class) in CLASS_NAMES.iter().enumerate() {
        let shade = 20 * number as u8;
        let [png, jpeg] =
            [ImageFormat::Png, ImageFormat::Jpeg].map(|format| picture(format, shade));
        members.push(member(&format!("c/train/{class}/a.png"), png));
        members.push(member(&format!("c/test/{class}/b.jpg"), jpeg));
    }
    members
}

/// Archives of all layouts, and of all kinds of header that tar has.
pub fn tars() -> Vec<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    let mut global = header(b"pax_global_header", 0);
    global.set_entry_type(EntryType::XGlobalHeader);
    global.set_cksum();
    builder.append(&global, &[][..]).unwrap();
    let mut folder = header(b"c/", 0);
    folder.set_entry_type(EntryType::Directory);
    folder.set_cksum();
    builder.append(&folder, &[][..]).unwrap();
    for (path, content) in binary() {
        let extensions = [("path", path.as_bytes()), ("mtime", b"1.5")];
        builder.append_pax_extensions(extensions).unwrap();
        let header = header(b"c/short", content.len() as u64);
        builder.append(&header, &content[..]).unwrap();
    }
    let mut long = header(b"", 3);
    let path = format!("c/{}/data.txt", "long".repeat(60));
    builder.append_data(&mut long, path, &b"abc"[..]).unwrap();
    let special = builder.into_inner().unwrap();
    vec![tar(&binary()), tar(&python()), tar(&folders()), special]
}

/// Where a tar's headers may begin: blocks that bear tar's mark.
pub fn headers(bytes: &[u8]) -> Vec<usize> {
    let blocks = (0..bytes.len() / 512).map(|block| 512 * block);
    blocks
        .filter(|&at| &bytes[at + 257..at + 262] == b"ustar")
        .collect()
}

/// Gives each header of a tar the checksum that it should have.
pub fn seal_tar(bytes: &mut [u8]) {
    for at in headers(bytes) {
        let block = &mut bytes[at..at + 512];
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

/// The files in a zip archive, as PyTorch saves; none if it is damaged.
pub fn unzip(bytes: &[u8]) -> Option<Members> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        members.push((entry.name().ok()?.into_owned(), content));
    }
    Some(members)
}

/// A zip archive of these files; a name that stands there twice is taken once.
pub fn zip(members: &[(String, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let method = match deflated {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        if writer.start_file(name.as_str(), options).is_ok() {
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}
