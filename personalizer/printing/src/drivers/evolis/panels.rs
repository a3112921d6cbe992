//! A face as ribbon panels, and back.
//!
//! The print head spans the short edge: the landscape face is turned clockwise, so column x of the face becomes line x
//! of the panel, read from the bottom edge upwards. Colours are subtractive (y m c); neutral dark dots go to
//! the black resin panel alone, which readers of the machine-readable zone need (ISO 1831, B900); `o` is the overlay.

use crate::raster::{HEIGHT, Raster, Rgb, WIDTH};

/// How many dots and bytes a panel has. A constant of each model, never derived: the guide contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Dots in a line.
    pub columns: u32,
    /// Lines.
    pub rows: u32,
    /// Bytes of a panel with 2 levels.
    pub bytes_2: usize,
    /// Bytes of a panel with 32 levels.
    pub bytes_32: usize,
}

/// 648 x 1016 dots at 1 and 5 bits.
pub const CARD_300_DPI: Geometry = Geometry { columns: 648, rows: 1016, bytes_2: 82_296, bytes_32: 411_480 };

impl Geometry {
    /// The bytes of a panel; `None` for a number of levels that is not used.
    pub const fn bytes(&self, levels: u16) -> Option<usize> {
        match levels {
            2 => Some(self.bytes_2),
            32 => Some(self.bytes_32),
            _ => None,
        }
    }
}

/// The panels of one set of the ribbon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ribbon {
    /// Colour, black and overlay for each side.
    Ymcko,
    /// Colour, black and overlay for the front, black for the back.
    YmckoK,
}

impl Ribbon {
    /// The panels printed on a side, in order.
    pub const fn panels(self, back: bool) -> &'static [char] {
        match (self, back) {
            (Ribbon::YmckoK, true) => &['k'],
            _ => &['y', 'm', 'c', 'k', 'o'],
        }
    }
}

/// One panel, packed.
#[derive(Clone, PartialEq, Eq)]
pub struct Panel {
    /// `y m c k o`.
    pub name: char,
    /// Shades a dot can have.
    pub levels: u16,
    /// Dots from the most significant bit on, line by line.
    pub data: Vec<u8>,
}

/// The brightest channel of a dot that is black enough for the resin panel.
pub const BLACK_MAX: u8 = 40;
/// How far the channels of such a dot may lie apart.
pub const NEUTRAL_MAX: u8 = 12;

fn is_black([r, g, b]: Rgb) -> bool {
    let (low, high) = (r.min(g).min(b), r.max(g).max(b));
    high <= BLACK_MAX && high - low <= NEUTRAL_MAX
}

/// The panels of a side. Black alone (the back on a `YmckoK` ribbon) takes every dot darker than half.
pub fn split(raster: &Raster, panels: &[char], geometry: &Geometry) -> Vec<Panel> {
    let monochrome = panels == ['k'];
    panels
        .iter()
        .map(|&name| {
            let shade = |[r, g, b]: Rgb| match name {
                'k' if monochrome => u8::from(u16::from(r) + u16::from(g) + u16::from(b) < 3 * 128),
                'k' => u8::from(is_black([r, g, b])),
                'o' => 1,
                _ if is_black([r, g, b]) => 0,
                'y' => level_32(b),
                'm' => level_32(g),
                _ => level_32(r),
            };
            let (levels, bits) = if matches!(name, 'k' | 'o') { (2, 1) } else { (32, 5) };
            let mut data = pack(raster, bits, geometry, shade);
            data.resize(geometry.bytes(levels).unwrap_or(data.len()), 0);
            Panel { name, levels, data }
        })
        .collect()
}

/// 0 (no dye) to 31 (full) for a channel from 255 to 0.
fn level_32(channel: u8) -> u8 {
    ((u16::from(255 - channel) * 31 + 127) / 255) as u8
}

fn pack(raster: &Raster, bits: u32, geometry: &Geometry, shade: impl Fn(Rgb) -> u8) -> Vec<u8> {
    let mut data = Vec::with_capacity((geometry.columns * geometry.rows * bits / 8) as usize);
    let (mut held, mut count) = (0u32, 0);
    for row in 0..geometry.rows {
        for column in 0..geometry.columns {
            let dot = raster.pixel(row, HEIGHT.wrapping_sub(1 + column));
            held = held << bits | u32::from(shade(dot));
            count += bits;
            if count >= 8 {
                count -= 8;
                data.push((held >> count) as u8);
                held &= (1 << count) - 1;
            }
        }
    }
    data
}

/// The face that panels print on a white card; what a simulator draws. Short panels leave dots white.
pub fn join<'a>(panels: impl IntoIterator<Item = &'a Panel>, geometry: &Geometry) -> Raster {
    let mut raster = Raster::white();
    for panel in panels {
        let bits: usize = if panel.levels == 2 { 1 } else { 5 };
        for row in 0..geometry.rows.min(WIDTH) {
            for column in 0..geometry.columns.min(HEIGHT) {
                let shade = dot(&panel.data, (row * geometry.columns + column) as usize * bits, bits);
                let (x, y) = (row, HEIGHT - 1 - column);
                let [r, g, b] = raster.pixel(x, y);
                let left = (255 - (u16::from(shade) * 255 + 15) / 31) as u8;
                let colour = match panel.name {
                    'k' if shade != 0 => [0; 3],
                    'y' => [r, g, b.min(left)],
                    'm' => [r, g.min(left), b],
                    'c' => [r.min(left), g, b],
                    _ => continue,
                };
                raster.set(x, y, colour);
            }
        }
    }
    raster
}

fn dot(data: &[u8], position: usize, bits: usize) -> u8 {
    let byte = |index: usize| data.get(index).copied().map_or(0, u16::from);
    let word = byte(position / 8) << 8 | byte(position / 8 + 1);
    ((word >> (16 - bits - position % 8)) & ((1 << bits) - 1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const YMCKO: &[char] = &['y', 'm', 'c', 'k', 'o'];

    #[test]
    fn panels_have_the_sizes_of_the_geometry_and_the_first_dot_is_the_lower_left() {
        let mut raster = Raster::white();
        raster.set(0, HEIGHT - 1, [0, 0, 0]);
        raster.set(0, HEIGHT - 2, [255, 255, 0]);
        let panels = split(&raster, YMCKO, &CARD_300_DPI);
        let sizes: Vec<usize> = panels.iter().map(|panel| panel.data.len()).collect();
        assert_eq!(sizes, [411_480, 411_480, 411_480, 82_296, 82_296]);
        assert_eq!(panels[3].data[..2], [0x80, 0]);
        // Dot 0 is black (no yellow), dot 1 full yellow: 00000 11111 00...
        assert_eq!(panels[0].data[..2], [0x07, 0xC0]);
        assert!(panels[4].data.iter().all(|&byte| byte == 0xFF));
    }

    #[test]
    fn joining_gives_the_face_back_within_one_level() {
        let mut raster = Raster::white();
        for x in 0..WIDTH {
            for y in 0..HEIGHT {
                raster.set(x, y, [(x % 256) as u8, (y % 256) as u8, ((x + y) % 256) as u8]);
            }
        }
        let drawn = join(&split(&raster, YMCKO, &CARD_300_DPI), &CARD_300_DPI);
        for (was, is) in raster.pixels().iter().zip(drawn.pixels()) {
            let tolerance = if is_black(*was) { BLACK_MAX } else { 5 };
            assert!(was.iter().zip(is).all(|(a, b)| a.abs_diff(*b) <= tolerance), "{was:?} {is:?}");
        }
    }

    #[test]
    fn the_back_of_a_ymcko_k_ribbon_is_black_and_white() {
        let mut raster = Raster::white();
        raster.set(5, 5, [90, 120, 90]);
        let panels = split(&raster, Ribbon::YmckoK.panels(true), &CARD_300_DPI);
        assert_eq!(panels.len(), 1);
        assert_eq!(join(&panels, &CARD_300_DPI).pixel(5, 5), [0; 3]);
    }
}
