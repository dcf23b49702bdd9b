//! What a convolution's indices depend on, and the frame of zeros around a map. Unaware of values.

/// A convolution without bias, padded so that stride 1 keeps the size (`size` is odd).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub images: usize,
    /// Of the input.
    pub channels: usize,
    /// Of the input, in pixels.
    pub height: usize,
    /// Of the input, in pixels.
    pub width: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Of the square kernel, in pixels.
    pub size: usize,
    pub stride: usize,
}

impl Geometry {
    /// Zeros that are read past each edge of a map.
    pub fn border(&self) -> usize {
        self.size / 2
    }

    /// The output's height.
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// The output's width.
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Pixels of one map of the output.
    pub fn out_pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Numbers of one image's input.
    pub fn input(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Numbers of one image's output.
    pub fn output(&self) -> usize {
        self.out_pixels() * self.filters
    }

    /// Numbers of the weights `[filters, channels, size, size]`.
    pub fn weights(&self) -> usize {
        self.filters * self.channels * self.size * self.size
    }

    /// The input's frame.
    pub fn input_frame(&self) -> Frame {
        Frame {
            height: self.height,
            width: self.width,
            channels: self.channels,
            border: self.border(),
        }
    }

    /// The output's frame, in which gradients flow back.
    pub fn output_frame(&self) -> Frame {
        Frame {
            height: self.out_height(),
            width: self.out_width(),
            channels: self.filters,
            border: self.border(),
        }
    }

    /// Where an element of the weights `[filters, channels, size, size]` lies.
    #[inline]
    pub fn weight(&self, filter: usize, channel: usize, y: usize, x: usize) -> usize {
        ((filter * self.channels + channel) * self.size + y) * self.size + x
    }
}

/// One image's map with a border of zeros, which a kernel may read past its edges.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub border: usize,
}

impl Frame {
    /// Numbers of one framed row.
    pub fn row(&self) -> usize {
        (self.width + 2 * self.border) * self.channels
    }

    /// Numbers of the framed map.
    pub fn len(&self) -> usize {
        (self.height + 2 * self.border) * self.row()
    }

    /// Where the framed pixel at row `y` and column `x` starts, both counted from the border's edge.
    pub fn at(&self, y: usize, x: usize) -> usize {
        y * self.row() + x * self.channels
    }

    /// The rows of the map inside of a framed one, from top to bottom.
    pub fn rows_mut<'a>(&self, framed: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
        let edge = self.border * self.channels;
        let inner = edge..edge + self.width * self.channels;
        framed
            .chunks_exact_mut(self.row().max(1))
            .skip(self.border)
            .take(self.height)
            .map(move |row| &mut row[inner.clone()])
    }

    /// The same to be read.
    pub fn rows<'a>(&self, framed: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        let edge = self.border * self.channels;
        let inner = edge..edge + self.width * self.channels;
        framed
            .chunks_exact(self.row().max(1))
            .skip(self.border)
            .take(self.height)
            .map(move |row| &row[inner.clone()])
    }

    /// Copies a map into the frame, whose border is zeros already.
    pub fn fill(&self, framed: &mut [f32], map: &[f32]) {
        let rows = map.chunks_exact(self.width * self.channels);
        for (to, from) in self.rows_mut(framed).zip(rows) {
            to.copy_from_slice(from);
        }
    }
}
