//! Codes of solid waste by the national catalogue (固体废物分类与代码目录, MEE, notice of January 2024).
//!
//! A code is the three digits of an industry (GB/T 4754-2017; 900 for any), a serial from 001 to 099 and a
//! class S01 to S59 without S08, such as `900-001-S02`. Hazardous waste (HW) has codes of its own, which are
//! refused.

use std::{fmt, str::FromStr};

/// The code of an industrial solid waste.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WasteCode {
    /// Three digits of the industry; 900 for any.
    pub industry: u16,
    /// 1 to 99.
    pub serial: u8,
    /// 1 to 59 without 8, written S01.
    pub class: u8,
}

/// Why a text is not a code of solid waste.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WasteCodeError {
    /// The text does not have the form of a code.
    #[error(
        "'{0}' is no code of solid waste; write the industry's three digits, a serial and a class, such as \
         900-001-S02"
    )]
    Form(String),
    /// The serial is out of range.
    #[error("'{0}': the serial is from 001 to 099")]
    Serial(String),
    /// The class is not one of industrial solid waste.
    #[error("'{0}': the class is from S01 to S59, without S08")]
    Class(String),
    /// Hazardous waste.
    #[error("'{0}' is hazardous waste (HW), which has a ledger of its own")]
    Hazardous(String),
}

impl fmt::Display for WasteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            industry,
            serial,
            class,
        } = self;
        write!(f, "{industry:03}-{serial:03}-S{class:02}")
    }
}

impl FromStr for WasteCode {
    type Err = WasteCodeError;
    fn from_str(text: &str) -> Result<Self, WasteCodeError> {
        let shown = || text.chars().take(60).collect::<String>();
        let digits = |part: &str, length: usize| {
            Some(part)
                .filter(|p| p.len() == length && p.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|p| p.parse::<u16>().ok())
        };
        let parts: Vec<&str> = text.split('-').collect();
        let &[industry, serial, class] = parts.as_slice() else {
            return Err(WasteCodeError::Form(shown()));
        };
        if class.starts_with("HW") {
            return Err(WasteCodeError::Hazardous(shown()));
        }
        let class = class.strip_prefix('S').and_then(|class| digits(class, 2));
        let (Some(industry), Some(serial), Some(class)) =
            (digits(industry, 3), digits(serial, 3), class)
        else {
            return Err(WasteCodeError::Form(shown()));
        };
        let number = |n: u16| u8::try_from(n).unwrap_or(u8::MAX);
        if !(1..=99).contains(&serial) {
            return Err(WasteCodeError::Serial(shown()));
        }
        if !(1..=59).contains(&class) || class == 8 {
            return Err(WasteCodeError::Class(shown()));
        }
        Ok(Self {
            industry,
            serial: number(serial),
            class: number(class),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_code_parses_back() {
        for text in ["900-001-S02", "310-099-S01", "441-002-S59"] {
            let code: WasteCode = text.parse().expect("a code");
            assert_eq!(code.to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_no_code_is_refused_with_the_reason() {
        let why = |text: &str| text.parse::<WasteCode>().expect_err("no code").to_string();
        for text in [
            "",
            "900-001",
            "900-01-S02",
            "90-001-S02",
            "900-001-02",
            "900-001-S2",
            "９00-001-S02",
        ] {
            assert!(why(text).contains("900-001-S02"), "{text}");
        }
        assert!(why("900-000-S02").contains("serial"));
        assert!(why("900-100-S02").contains("serial"));
        assert!(why("900-001-S00").contains("S59"));
        assert!(why("900-001-S60").contains("S59"));
        assert!(why("900-001-S08").contains("S08"));
        assert!(why("900-001-HW08").contains("hazardous"));
    }
}
