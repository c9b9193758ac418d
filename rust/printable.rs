//! Texts fit for a log or a terminal.

/// Characters of a line that are shown: more helps nobody, and a backlog of such lines fills a disk.
const LONGEST: usize = 10_000;

/// Control and invisible characters escaped: what comes from Redis must not steer a terminal or forge a log line. The
/// same ones as in `printable.py`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            out.push_str("...");
            break;
        }
        if is_unfit(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Controls, line and paragraph separators, bidirectional overrides, invisible joiners.
pub fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("a\x1b[31m\n\u{9b}\u{202e}é\u{feff}"), "a\\u{1b}[31m\\u{a}\\u{9b}\\u{202e}é\\u{feff}");
        assert_eq!(printable(&"x".repeat(1 << 20)).len(), LONGEST + 3);
    }
}
