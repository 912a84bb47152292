//! Text that is safe on a terminal. A title comes from a signed file, but the person at the console did not sign it: escape
//! sequences, bidi controls and invisible characters are dropped before anything is shown.

/// One line of at most `columns` characters: control, bidi, zero-width, private-use and separator characters are dropped, white space is folded
/// into single blanks, and what is too long ends in `…`.
#[must_use]
pub fn line(text: &str, columns: usize) -> String {
    let mut shown = String::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|&c| is_printable(c)).collect();
        if word.is_empty() {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(&word);
    }
    if shown.chars().count() > columns {
        shown = shown.chars().take(columns.saturating_sub(1)).collect();
        shown.push('…');
    }
    shown
}

/// Is this a character that takes part in a line and changes nothing around it?
#[must_use]
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn escape_bidi_and_invisible_characters_are_dropped() {
        assert_eq!(line("\u{1b}[2JOffice\u{202e} PC\u{200b}\u{feff}", 72), "[2JOffice PC");
        assert_eq!(line("a\r\n\tb\u{0}c\u{9b}31m", 72), "a bc31m");
    }

    #[test]
    fn umlauts_stay_and_long_lines_end_in_an_ellipsis() {
        assert_eq!(line("Büro-PC für Prüfer", 72), "Büro-PC für Prüfer");
        assert_eq!(line("abcdef", 4), "abc…");
    }
}
