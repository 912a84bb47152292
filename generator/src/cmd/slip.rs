//! The printable slip of a code, and its QR code for the terminal. The QR code holds the code's text: a scanner types it like a keyboard.

use anyhow::{Context as _, Result};
use qrcode::QrCode;
use qrcode::render::{svg, unicode};
use zeroize::Zeroizing;

/// What stands on a slip.
pub(super) struct Slip<'a> {
    pub code: &'a str,
    pub site: &'a str,
    pub organisation: &'a str,
    pub profiles: &'a str,
    pub until: &'a str,
    pub urls: &'a [String],
}

/// The code as a QR code of half blocks.
pub(super) fn terminal(code: &str) -> Result<Zeroizing<String>> {
    let qr = QrCode::new(code).context("drawing the QR code")?;
    Ok(Zeroizing::new(
        qr.render::<unicode::Dense1x2>()
            .dark_color(unicode::Dense1x2::Light)
            .light_color(unicode::Dense1x2::Dark)
            .build(),
    ))
}

/// A slip of A6, as an SVG image.
pub(super) fn svg(slip: &Slip<'_>) -> Result<Zeroizing<String>> {
    let qr = QrCode::new(slip.code).context("drawing the QR code")?;
    let qr = Zeroizing::new(qr.render::<svg::Color<'_>>().min_dimensions(200, 200).build());
    let picture = qr.find("<svg").and_then(|at| qr.get(at..)).context("drawing the QR code")?;
    let lines = [("20", "14", slip.site), ("44", "9", slip.organisation), ("60", "9", slip.profiles)];
    let head: String = lines
        .iter()
        .map(|(y, size, text)| {
            format!(
                "<text x=\"12\" y=\"{y}\" font-size=\"{size}\" font-family=\"sans-serif\">{}</text>\n",
                escape(text)
            )
        })
        .collect();
    let foot = slip.urls.first().map(String::as_str).unwrap_or_default();
    Ok(Zeroizing::new(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"148mm\" height=\"105mm\" viewBox=\"0 0 420 298\">\n\
         <rect width=\"420\" height=\"298\" fill=\"white\"/>\n{head}\
         <text x=\"12\" y=\"96\" font-size=\"26\" font-family=\"monospace\">{}</text>\n\
         <text x=\"12\" y=\"284\" font-size=\"9\" font-family=\"sans-serif\">{} · {}</text>\n\
         <g transform=\"translate(210 104) scale(0.8)\">{picture}</g>\n</svg>\n",
        escape(slip.code),
        escape(slip.until),
        escape(foot),
    )))
}

/// A page with the slip, for browsers that print.
pub(super) fn html(slip: &Slip<'_>) -> Result<Zeroizing<String>> {
    let picture = svg(slip)?;
    let title = escape(slip.site);
    Ok(Zeroizing::new(format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>@page {{ size: A6 landscape; margin: 0 }} body {{ margin: 0 }}</style>\n{}",
        *picture
    )))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_title_stays_text() {
        let slip = Slip {
            code: "0123-4567-89AB-CDER",
            site: "<script>\"&",
            organisation: "",
            profiles: "",
            until: "",
            urls: &[],
        };
        let picture = svg(&slip).unwrap();
        assert!(!picture.contains("<script>") && picture.contains("&lt;script&gt;&quot;&amp;"));
        assert!(picture.contains("0123-4567-89AB-CDER"));
    }
}
