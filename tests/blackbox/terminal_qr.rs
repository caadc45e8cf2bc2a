//! The QR code that a verb prints on a terminal, read as a scanner reads it.

/// Decodes the half-block picture of a terminal.
pub fn qr_of_terminal(lines: &[String]) -> String {
    let rows: Vec<Vec<char>> = lines
        .iter()
        .map(|line| {
            let line = line.replace("\u{1b}[38;5;16;48;5;231m", "");
            line.replace("\u{1b}[0m", "")
                .trim_end_matches('\n')
                .chars()
                .collect()
        })
        .collect();
    const SCALE: usize = 4;
    let width = rows.iter().map(Vec::len).max().unwrap() * SCALE;
    let height = rows.len() * 2 * SCALE;
    let picture = image::GrayImage::from_fn(
        u32::try_from(width).unwrap(),
        u32::try_from(height).unwrap(),
        |x, y| {
            let (x, y) = (
                usize::try_from(x).unwrap() / SCALE,
                usize::try_from(y).unwrap() / SCALE,
            );
            let block = rows[y / 2].get(x).copied().unwrap_or(' ');
            let dark = match block {
                '█' => true,
                '▀' => y % 2 == 0,
                '▄' => y % 2 == 1,
                _ => false,
            };
            image::Luma([if dark { 0 } else { 255 }])
        },
    );
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    prepared.detect_grids()[0].decode().unwrap().1
}
